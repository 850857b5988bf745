package auth

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"cellar/cellfs"
	"cellar/cellfs/access"
	"cellar/cellfs/account"
	"cellar/dav/answer"
)

// A token can be good elsewhere than in the cell of its account: at the unit, where the account is
// a unit user, or in another cell, where it is a visitor (contract 5.16, 5.17).

// Roles of an account in its own cell that mean something outside of it.
const (
	// adminRole makes a unit user of an admin cell act as the unit admin. Capitals do not count.
	adminRole = "unitadmin"
	// confidentialRole makes the application that an account stands for a confidential one.
	confidentialRole = "confidentialClient"
)

// Target says where an access token is to be good. The zero Target is where the caller was
// recognised.
type Target struct {
	Unit bool
	Cell string // name of another cell of this unit
}

func (t Target) none() bool { return t == Target{} }

// ErrTarget: no token of this caller can be good at the target.
var ErrTarget = errors.New("no token of the caller can be good there")

// claimsOf are the claims of a token for a caller who was recognised in the cell.
func (a *Auth) claimsOf(ctx context.Context, cell string, c *Caller) (base claims, err error) {
	base.Subject, base.Issuer = c.subject(), unitIssuer
	if c.account == "" {
		return base, nil
	}
	if base.Issuer, err = a.issuer(ctx, c.Cell); err != nil || c.visits == "" {
		return base, err
	}
	base.Home = c.Cell
	base.For, err = a.issuer(ctx, cell)
	return base, err
}

// aimed are the claims of an access token that is good at the target. What the admin has is good
// everywhere. A visitor gets nothing for a third cell: who is given a token for one cell must not
// get into another with it.
func (a *Auth) aimed(ctx context.Context, base claims, c *Caller, t Target) (claims, error) {
	var err error
	switch {
	case t.none(), c.account == "":
		return base, nil
	case c.visits != "":
		return base, ErrTarget
	case t.Unit:
		base.For = unitIssuer
	default:
		base.For, err = a.issuer(ctx, t.Cell)
	}
	if errors.Is(err, cellfs.ErrNoCell) {
		err = ErrTarget
	}
	base.Home, base.Assertion = c.Cell, true
	if base.For == base.Issuer { // at home
		base.For, base.Home, base.Assertion = "", "", false
	}
	return base, err
}

// ErrAudience: a token is none with which a visitor can get tokens of the cell.
var ErrAudience = answer.New(answer.TokenTargetWrong, "")

// Visitor recognises a visitor by the token that its own cell gave for the cell. Tokens that the
// cell itself gave to the visitor are refused: they would never end.
func (a *Auth) Visitor(ctx context.Context, cell, token string) (Caller, error) {
	c, _, fault := a.parse(token, accessToken)
	if fault != nil {
		return Caller{Fault: fault}, nil
	}
	here, err := a.issuer(ctx, cell)
	if err != nil {
		return Caller{}, err
	}
	if !c.Assertion || c.For != here {
		return Caller{Fault: ErrAudience}, nil
	}
	return a.byToken(ctx, cell, token, accessToken)
}

// homeOf finds the cell whose account a token names. It returns [cellfs.ErrNoCell] if that is
// gone, or the token is good neither in the cell nor, for the cell "", at the unit. Any good token
// tells the unit who the caller is.
func (a *Auth) homeOf(ctx context.Context, cell string, c *claims) (string, error) {
	if cell == "" {
		if c.For != "" && c.For != unitIssuer {
			return "", cellfs.ErrNoCell
		}
		return a.named(ctx, c.Issuer, c.Home)
	}
	here, err := a.issuer(ctx, cell)
	switch {
	case c.For == unitIssuer: // also where the request makes the cell
		return a.named(ctx, c.Issuer, c.Home)
	case err != nil:
		return "", err
	case c.For == "" && c.Issuer == here:
		return cell, nil
	case c.For == "" || c.For != here:
		return "", cellfs.ErrNoCell
	}
	return a.named(ctx, c.Issuer, c.Home)
}

// named is the name of the cell that issues tokens as issuer; hint is the name that it had. It
// returns [cellfs.ErrNoCell] if the cell is gone.
func (a *Auth) named(ctx context.Context, issuer, hint string) (name string, err error) {
	if hint != "" {
		if now, err := a.issuer(ctx, hint); err == nil && now == issuer {
			return hint, nil
		}
	}
	text, _ := strings.CutPrefix(issuer, "cell:")
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return "", cellfs.ErrNoCell
	}
	err = a.fs.View(ctx, func(tx cellfs.Tx) error {
		c, err := tx.CellByID(id)
		name = c.Name
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = cellfs.ErrNoCell
	}
	return name, err
}

// elsewhere makes the caller, as it is in its own cell, the one that it is in the cell of the
// request, or at the unit.
func (a *Auth) elsewhere(ctx context.Context, cell string, c Caller, of *claims) (Caller, error) {
	if of.For == unitIssuer || cell == "" {
		c.atUnit = true
	} else {
		c.visits = cell
	}
	c.Roles = nil
	if c.change { // the token is for a new password, and that is set in its own cell
		c.Name = ""
		return c, nil
	}
	roles, err := account.RolesOf(ctx, a.fs, c.Cell, c.account)
	if err != nil {
		return Caller{}, err
	}
	switch {
	case c.visits != "":
		c.Roles, err = account.RolesOfVisitor(ctx, a.fs, cell, account.Visitor{Home: a.cellURLs(c.Cell), Roles: roles})
		return c, err
	case of.For != unitIssuer:
		return c, nil // a token of its own cell makes no unit user
	}
	a.asUnitUser(&c, of.Issuer, roles)
	if cell == "" || c.Owner == "" {
		return c, nil
	}
	owned, err := cellfs.Remember(ctx, a.fs, cell, "owner", func(_ cellfs.Tx, at cellfs.Cell) (ownedCell, error) {
		return ownedCell{at.ID, at.Owner}, nil
	})
	if err == nil && owned.owner == c.Owner {
		c.Owned = owned.id
	}
	if errors.Is(err, cellfs.ErrNoCell) {
		err = nil
	}
	return c, err
}

// ownedCell is a cell and the name of its owner.
type ownedCell struct {
	id    int64
	owner string
}

// asUnitUser gives an account what it may do at the unit: nothing unless its cell is an admin cell.
func (a *Auth) asUnitUser(c *Caller, issuer string, roles []account.Role) {
	c.UnitUser = slices.Contains(a.adminCells, c.Cell)
	c.Owner = ""
	if c.UnitUser {
		c.Owner = issuer + "#" + c.account
	}
	c.Admin = c.UnitUser && slices.ContainsFunc(roles, func(r account.Role) bool {
		return r.Box == "" && strings.EqualFold(r.Name, adminRole)
	})
}

// elsewhereAgain is [Auth.Again] for a caller outside of its own cell, whose account is good.
func (a *Auth) elsewhereAgain(tx cellfs.Tx, c *Caller) error {
	roles, err := account.RolesIn(tx, c.Cell, c.account)
	if err != nil {
		return err
	}
	if c.visits != "" {
		c.Roles, err = account.RolesOfVisitorIn(tx, c.visits, account.Visitor{Home: a.cellURLs(c.Cell), Roles: roles})
		return err
	}
	if c.Owner != "" {
		issuer, _, _ := strings.Cut(c.Owner, "#")
		a.asUnitUser(c, issuer, roles)
	}
	return nil
}

// App is an application that was authenticated: the cell of the application.
type App struct {
	issuer, cell string
	confidential bool
}

// Faults of the credentials of an application.
var (
	ErrSecretFormat  = answer.New(answer.ClientSecretFormat)
	ErrSecretExpired = answer.New(answer.ClientSecretExpired)
	ErrSecretIssuer  = answer.New(answer.ClientSecretIssuer)
	ErrSecretTarget  = answer.New(answer.ClientSecretTarget)
)

// Application authenticates the application whose cell is app, for a token of the cell: secret is
// an access token for the cell that an account of the application's cell got there. The
// application is confidential if the account has the role confidentialClient.
func (a *Auth) Application(ctx context.Context, cell, app, secret string) (*App, *answer.Error, error) {
	c, _, fault := a.parse(secret, accessToken)
	switch {
	case fault == ErrExpired:
		return nil, ErrSecretExpired, nil
	case fault != nil:
		return nil, ErrSecretFormat, nil
	}
	here, err := a.issuer(ctx, cell)
	if err != nil {
		return nil, nil, err
	}
	issuer, err := a.issuer(ctx, app)
	switch {
	case err != nil && !errors.Is(err, cellfs.ErrNoCell):
		return nil, nil, err
	case err != nil || c.Issuer != issuer:
		return nil, ErrSecretIssuer, nil
	case c.For != here:
		return nil, ErrSecretTarget, nil
	}
	caller, err := a.byToken(ctx, cell, secret, accessToken)
	switch {
	case err != nil:
		return nil, nil, err
	case caller.Fault != nil:
		return nil, ErrSecretExpired, nil
	}
	roles, err := account.RolesOf(ctx, a.fs, app, caller.account)
	if err != nil {
		return nil, nil, err
	}
	return &App{issuer, app, slices.Contains(roles, account.Role{Name: confidentialRole})}, nil, nil
}

// application notes the application through which the caller came.
func (a *Auth) application(ctx context.Context, caller *Caller, c *claims) error {
	if c.App == "" {
		return nil
	}
	name, err := a.named(ctx, c.App, c.AppName)
	if errors.Is(err, cellfs.ErrNoCell) {
		return nil // it was deleted: the caller comes through none
	}
	if err != nil {
		return err
	}
	caller.Schema, caller.Authz = cellfs.LocalUnit+name+"/", access.AuthzPublic
	caller.app = &App{c.App, name, c.Confidential}
	if c.Confidential {
		caller.Authz = access.AuthzConfidential
	}
	return nil
}

// App is the application through which the caller came; nil for none.
func (c *Caller) App() *App { return c.app }

// URL names the application as [cellfs.LocalUnit] has it; "none" for nil.
func (x *App) URL() string {
	if x == nil {
		return "none"
	}
	return cellfs.LocalUnit + x.cell + "/"
}

// Is reports whether both are the same application.
func (x *App) Is(y *App) bool { return x != nil && y != nil && x.issuer == y.issuer }
