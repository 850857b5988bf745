// Package auth recognises callers by a password, a token or a cookie (contract 5.1 and
// 5.2) and issues tokens (contract 5.3 to 5.6). It slows down clients that guess
// passwords and does not make others wait. It knows nothing of HTTP.
package auth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"cellar/cellfs"
	"cellar/cellfs/access"
	"cellar/cellfs/account"
	"cellar/cellfs/control"
	"cellar/dav/answer"
)

// The faults of credentials (contract 5.2).
var (
	ErrNone       = answer.New(answer.Unauthorized)
	ErrExpired    = answer.New(answer.TokenExpired)
	ErrScheme     = answer.New(answer.AuthScheme)
	ErrBasic      = answer.New(answer.BasicFormat)
	ErrToken      = answer.New(answer.TokenFormat)
	ErrRefresh    = answer.New(answer.RefreshTokenAsAccess)
	ErrCookie     = answer.New(answer.CookiePeer)
	ErrInterval   = answer.New(answer.LoginInterval)
	ErrPassword   = answer.New(answer.WrongPassword)
	ErrMustChange = answer.New(answer.PasswordChangeToken)
)

// ErrBusy: too many passwords wait to be checked. The caller should come again.
var ErrBusy = answer.New(answer.TooManyRequests)

// Caller is who asks. The zero Caller is anonymous.
type Caller struct {
	// Admin says that the caller acts as the unit admin; see [Caller.MayAll] for what that
	// allows.
	Admin bool
	Cell  string // of the account; "" for the admin of the configuration
	Name  string
	// UnitUser says that the caller may make cells. Owner is how the cells that it made name it;
	// "" for callers who are no unit users.
	UnitUser bool
	Owner    string
	// Owned is the id of the cell of the request if the caller owns it; otherwise 0.
	Owned int64
	// Principal identifies the caller, for locks.
	Principal string
	Roles     []int64
	// Scope bounds what privileges of cells the credentials are good for.
	Scope  access.Scope
	Schema string // URL of the application that was authenticated; "" for none
	Authz  access.Authz
	// Fault is why the credentials given are not good; nil if none were given.
	Fault *answer.Error
	// Deleted reports whether the account is not there any more: refused whatever is asked.
	Deleted bool
	secret  []byte
	account string // of an account its name, also where Name is not given; "" for others
	change  bool   // may only change the password
	// visits is the cell in which the caller is a visitor; "" for others. atUnit says that the
	// token is one for the unit.
	visits string
	atUnit bool
	app    *App
}

// Known reports whether the caller is not anonymous.
func (c *Caller) Known() bool { return c.Admin || c.Name != "" }

// MayAll reports whether the caller may do everything in every cell: the admin, unless the token
// has a narrower scope. Such a token has the privileges of its scope in every cell, and what all
// have.
func (c *Caller) MayAll() bool { return c.Admin && !c.Scope.Bounded() }

// MayAllIn reports whether the caller may do everything in the cell with that id: as the admin,
// or as the unit user who owns it.
func (c *Caller) MayAllIn(cell int64) bool {
	return c.MayAll() || cell != 0 && cell == c.Owned && !c.Scope.Bounded()
}

// Has is the privileges that the caller has whatever the ACLs say.
func (c *Caller) Has() access.Set {
	if c.Admin {
		return c.Scope.Set()
	}
	return 0
}

// Config is what an [Auth] is made of.
type Config struct {
	FS         *cellfs.FS
	User       string // name of the unit admin (contract 5.1)
	Password   string
	Now        func() time.Time
	Log        *slog.Logger
	Cost       account.Cost // of hashes that are made
	HashAtOnce int          // passwords that are checked at the same time; 0: half the processors
	// AdminCells are the cells whose accounts are unit users.
	AdminCells []string
	// CellURLs are the URLs by which control objects and schemas can name a cell of this unit.
	// They end in a slash. nil: only [cellfs.LocalUnit] names one.
	CellURLs func(cell string) []string
}

// Auth recognises callers. It is safe for concurrent use.
type Auth struct {
	fs    *cellfs.FS
	admin atomic.Pointer[account.Identity]
	now   func() time.Time
	log   *slog.Logger
	cost  account.Cost

	adminCells []string
	cellURLs   func(cell string) []string

	keys     keys
	parsed   parsed
	verified verified
	throttle throttle
	gate     *gate
}

// New returns an Auth whose keys are those of the unit.
func New(ctx context.Context, c Config) (*Auth, error) {
	a := &Auth{
		fs: c.FS, now: c.Now, log: c.Log, cost: c.Cost,
		verified: newVerified(), throttle: newThrottle(), gate: newGate(c.HashAtOnce),
		adminCells: c.AdminCells, cellURLs: c.CellURLs,
	}
	if a.cellURLs == nil {
		a.cellURLs = func(cell string) []string { return []string{cellfs.LocalUnit + cell + "/"} }
	}
	a.admin.Store(adminIdentity(c.User, c.Password))
	if err := a.keys.load(ctx, c.FS, c.Now()); err != nil {
		return nil, err
	}
	return a, nil
}

// adminIdentity has the SHA-256 of the password for its secret, so that comparing takes
// the same time for all.
func adminIdentity(name, password string) *account.Identity {
	secret := sha256.Sum256([]byte(password))
	return &account.Identity{Name: name, Status: account.Active, Secret: secret[:]}
}

// SetAdminPassword gives the unit admin another password. From now on the old one, and
// all tokens and cookies that came of it, are worth nothing.
func (a *Auth) SetAdminPassword(password string) {
	a.admin.Store(adminIdentity(a.admin.Load().Name, password))
}

// Password recognises a caller by name and password. cell is "" at the unit, where only
// the admin is known; addr is where the caller comes from. A caller who is not
// recognised has a fault.
func (a *Auth) Password(ctx context.Context, cell, name, password string, addr netip.Addr) (Caller, error) {
	admin := a.admin.Load()
	t := attempt{cell, name[:min(len(name), maxName)], password, addr, name == admin.Name}
	if isAdmin(admin, name, password) {
		if fault := a.admits(t, admin); fault != nil {
			return Caller{Fault: fault}, nil
		}
		return adminCaller(admin), nil
	}
	for {
		id, fault, err := a.verify(ctx, t, name)
		switch {
		case errors.Is(err, account.ErrChanged):
			continue // by somebody else, who got further than this one
		case err != nil || fault != nil:
			return Caller{Fault: fault}, err
		}
		return a.caller(cell, id), nil
	}
}

// Turn waits until a password may be hashed: that takes a processor for some 70 ms. It
// returns [ErrBusy].
func (a *Auth) Turn(ctx context.Context, addr netip.Addr) (leave func(), err error) {
	return a.gate.enter(ctx, source(addr))
}

// Again looks at the caller once more, in a transaction: the account must still be there, may log in, and
// has the same password. The caller gets the roles that it has now. It is for requests that took long,
// and for changes of ACLs and control objects.
func (a *Auth) Again(tx cellfs.Tx, c *Caller) error {
	if c.account == "" {
		if c.Admin && !bytes.Equal(a.admin.Load().Secret, c.secret) {
			return ErrExpired
		}
		return nil
	}
	id, err := account.FindIn(tx, c.Cell, c.account)
	switch {
	case errors.Is(err, account.ErrNone), errors.Is(err, cellfs.ErrNoCell):
		return ErrNone
	case err != nil:
		return err
	case !bytes.Equal(id.Secret, c.secret), id.Status == account.Deactivated, id.Status == account.MustChange && !c.change:
		return ErrExpired
	case c.change:
		return nil
	case c.atUnit || c.visits != "":
		return a.elsewhereAgain(tx, c)
	}
	c.Roles = id.Roles
	return nil
}

func adminCaller(id *account.Identity) Caller {
	return Caller{Admin: true, Name: id.Name, Principal: id.Name, secret: id.Secret, Scope: access.Whole()}
}

func (a *Auth) caller(cell string, id *account.Identity) Caller {
	c := Caller{
		Cell: cell, Name: id.Name, Principal: fmt.Sprintf("%s#%s#%d", cell, id.Name, id.ID), account: id.Name, Roles: id.Roles, Scope: access.Whole(),
		secret: id.Secret, change: id.Status == account.MustChange,
	}
	if c.change {
		c.restrict()
	}
	return c
}

// restrict leaves the caller nothing but to set a new password.
func (c *Caller) restrict() {
	c.Fault, c.Name, c.Roles, c.Scope = ErrMustChange, "", nil, access.Scope{}
}

func isAdmin(admin *account.Identity, name, password string) bool {
	if name != admin.Name {
		return false // the name is no secret
	}
	p := sha256.Sum256([]byte(password))
	return subtle.ConstantTimeCompare(p[:], admin.Secret) == 1
}

// find is the account, or one that nobody can log in to.
func (a *Auth) find(ctx context.Context, cell, name string) (*account.Identity, error) {
	if cell == "" {
		return a.cost.Nobody(), nil
	}
	id, err := account.Find(ctx, a.fs, cell, name)
	if errors.Is(err, account.ErrNone) || errors.Is(err, cellfs.ErrNoCell) {
		return a.cost.Nobody(), nil
	}
	return id, err
}

// maxName is how much of a name is kept of a failed attempt: no account has a longer one.
const maxName = 128

// attempt is one try to log in.
type attempt struct {
	cell, name, password string
	addr                 netip.Addr
	admin                bool // the name is that of the admin
}

// known reports whether the password was found right before, and nothing speaks against it since.
func (a *Auth) known(t attempt, id *account.Identity, now time.Time) bool {
	return a.verified.has(a.verified.key(t, id.Secret), now) && a.throttle.knows(t) && mayLogIn(t, id)
}

func mayLogIn(t attempt, id *account.Identity) bool {
	return id.From(t.addr) && id.Status != account.Deactivated
}

// settled reports whether an attempt needs no look at the password: it is known, or others from
// there were wrong just now.
func (a *Auth) settled(t attempt, id *account.Identity) (bool, *answer.Error) {
	now := a.now()
	switch {
	case a.known(t, id, now):
		return true, nil
	case !a.throttle.allows(t, now):
		a.throttle.refuse(t)
		return true, ErrInterval
	}
	return false, nil
}

// admits reports whether the admin, whose password is right, may come in.
func (a *Auth) admits(t attempt, admin *account.Identity) *answer.Error {
	t.cell = "" // it is the same one in every cell
	done, fault := a.settled(t, admin)
	if !done {
		a.succeeded(t, admin, true)
	}
	return fault
}

func (a *Auth) succeeded(t attempt, id *account.Identity, isAdmin bool) {
	a.throttle.succeeded(t, isAdmin)
	a.verified.add(a.verified.key(t, id.Secret), a.now())
}

// verify finds the account of an attempt and checks the password. It returns
// [account.ErrChanged] if the account got another one meanwhile, and [ErrBusy].
func (a *Auth) verify(ctx context.Context, t attempt, name string) (*account.Identity, *answer.Error, error) {
	id, err := a.find(ctx, t.cell, name)
	if err != nil {
		return nil, nil, err
	}
	if done, fault := a.settled(t, id); done {
		return id, fault, nil
	}
	leave, err := a.Turn(ctx, t.addr)
	if err != nil {
		return nil, nil, err
	}
	leave = sync.OnceFunc(leave)
	defer leave()
	if id, err = a.find(ctx, t.cell, name); err != nil {
		return nil, nil, err
	}
	if done, fault := a.settled(t, id); done { // others went before
		return id, fault, nil
	}
	right, err := id.Verify(t.password)
	if err != nil {
		a.log.Error("a password cannot be checked", "cell", t.cell, "account", t.name, "err", err)
	}
	if !right || !mayLogIn(t, id) {
		a.throttle.failed(t, a.now())
		a.log.Warn("login failed", "cell", t.cell, "account", t.name, "address", t.addr)
		return nil, ErrPassword, nil
	}
	if !a.cost.Has(id) {
		secret, err := a.cost.Hash(t.password)
		leave() // the next one need not wait for the disk
		if err == nil {
			id, err = a.renew(ctx, t, id, secret)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	a.succeeded(t, id, false)
	return id, nil, nil
}

// renew puts a hash of our own in the place of one that came from elsewhere at another cost.
// Tokens that were issued before are then worth nothing. A caller with the right password
// gets in even if this fails.
func (a *Auth) renew(ctx context.Context, t attempt, id *account.Identity, secret json.RawMessage) (*account.Identity, error) {
	err := control.Rehash(ctx, a.fs, t.cell, id, secret)
	switch {
	case err == nil:
		fresh := *id
		fresh.Secret = secret
		return &fresh, nil
	case errors.Is(err, account.ErrChanged), ctx.Err() != nil:
		return nil, err
	}
	a.log.Warn("the hash of a password stays the one that was imported", "cell", t.cell, "account", t.name, "err", err)
	return id, nil
}
