package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"cellar/cellfs"
	"cellar/cellfs/access"
	"cellar/cellfs/account"
	"cellar/dav/answer"
)

// kind is what a token is for. It is the prefix of the token (contract 5.4).
type kind string

const (
	accessToken  kind = "AA~"
	refreshToken kind = "RA~"
	changeToken  kind = "AP~" // good only for setting a new password
	cookieToken  kind = "CA~" // good only as a cookie
)

// Longest lives of tokens, in seconds; they are also the default
// (contract 5.3).
const (
	MaxAccess  = 3600
	MaxRefresh = 86400
)

// claims are what a token says. What it is good for is decided when it is used: roles
// are looked up then, and a token of an account whose password is another by now, or
// that is gone, is good for nothing.
type claims struct {
	jwt.RegisteredClaims
	// Scope is that of the token in words; a token for setting a password has none.
	Scope string `json:"scope,omitempty"`
	// Mark is a keyed hash of the secret of the account.
	Mark string `json:"mark"`
	// Peer is a hash of what must come along with a cookie.
	Peer string `json:"peer,omitempty"`
	// Home is the name that the issuer had, if the token is not good there but where For says:
	// an issuer, or unitIssuer.
	Home string `json:"home,omitempty"`
	For  string `json:"for,omitempty"`
	// Assertion says that the token is one of p_target, with which a visitor can get others.
	Assertion bool `json:"assertion,omitempty"`
	// App is the application that was authenticated, as the issuer of its tokens; AppName is the
	// name that its cell had.
	App          string `json:"app,omitempty"`
	AppName      string `json:"app_name,omitempty"`
	Confidential bool   `json:"confidential,omitempty"`
}

const unitIssuer = "unit"

// issuer names a cell in a token. Another cell that comes under its name later has
// another id.
func issuer(c cellfs.Cell) string { return "cell:" + strconv.FormatInt(c.ID, 10) }

func (a *Auth) issuer(ctx context.Context, cell string) (string, error) {
	if cell == "" {
		return unitIssuer, nil
	}
	return cellfs.Remember(ctx, a.fs, cell, "issuer", func(_ cellfs.Tx, c cellfs.Cell) (string, error) { return issuer(c), nil })
}

// mark ties a token to the password that the account has now.
func mark(k signingKey, secret []byte) string {
	h := hmac.New(sha256.New, []byte(k.Secret))
	h.Write(secret)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16])
}

// Tokens is what a client gets.
type Tokens struct {
	Access, Refresh   string
	Life, RefreshLife int // seconds
	Scope             access.Scope
	Cookie, Peer      string // "" unless asked for
	MustChange        bool   // Access is good only for setting a new password
}

// Grant is what a client asks for. Lives are in seconds.
type Grant struct {
	Scope             string // in words; "" for all that the caller has
	Life, RefreshLife int
	Cookie            bool
	Target            Target // where the access token is to be good
	App               *App   // that was authenticated; nil for none
}

// ErrScope: nothing is left of a scope.
var ErrScope = errors.New("the caller has nothing of the scope that was asked for")

// scope is the part of the caller's scope that is asked for; that the parameter is empty
// means that it was left out (RFC 6749, 3.1 and 3.3).
func (g *Grant) scope(c *Caller) (access.Scope, error) {
	s := c.Scope
	if strings.Trim(g.Scope, " ") != "" { // blanks separate words, nothing else does
		s = s.Narrow(g.Scope)
	}
	if s.Empty() {
		return s, ErrScope
	}
	return s, nil
}

// Issue makes tokens for a caller who was recognised in the cell; "" is the unit. None of
// them is good for more than what the caller was recognised by. It returns [ErrScope], and
// [ErrTarget] for a target where no token of the caller can be good. A refresh token is good
// where the caller was recognised.
func (a *Auth) Issue(ctx context.Context, cell string, c *Caller, g Grant) (t Tokens, err error) {
	base, err := a.claimsOf(ctx, cell, c)
	if err != nil {
		return t, err
	}
	if c.change {
		t.MustChange, t.Life = true, g.Life
		t.Access, err = a.sign(base, changeToken, c.secret, g.Life)
		return t, err
	}
	t = Tokens{Life: g.Life, RefreshLife: g.RefreshLife}
	if t.Scope, err = g.scope(c); err != nil {
		return t, err
	}
	base.Scope = t.Scope.String()
	if g.App != nil {
		base.App, base.AppName, base.Confidential = g.App.issuer, g.App.cell, g.App.confidential
	}
	if t.Refresh, err = a.sign(base, refreshToken, c.secret, g.RefreshLife); err != nil {
		return t, err
	}
	if base, err = a.aimed(ctx, base, c, g.Target); err != nil {
		return t, err
	}
	if t.Access, err = a.sign(base, accessToken, c.secret, g.Life); err != nil || !g.Cookie || !g.Target.none() {
		return t, err
	}
	t.Peer = rand.Text()
	base.Peer = peerHash(t.Peer)
	t.Cookie, err = a.sign(base, cookieToken, c.secret, g.Life)
	return t, err
}

func peerHash(peer string) string {
	sum := sha256.Sum256([]byte(peer))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// subject is the name in a token. The admin is distinguished from an account of that name.
func (c *Caller) subject() string {
	if c.account == "" {
		return "admin"
	}
	return "account:" + c.account
}

func (a *Auth) sign(c claims, k kind, secret []byte, life int) (string, error) {
	key := a.keys.newest()
	now := a.now()
	c.Audience, c.Mark = jwt.ClaimStrings{string(k)}, mark(key, secret)
	c.IssuedAt, c.ExpiresAt = jwt.NewNumericDate(now), jwt.NewNumericDate(now.Add(time.Duration(life)*time.Second))
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, c)
	t.Header["kid"] = key.ID
	signed, err := t.SignedString([]byte(key.Secret))
	return string(k) + signed, err
}

var errUnknownKey = errors.New("unknown key")

// maxParsed bounds the tokens that are remembered as well signed.
const maxParsed = 10_000

// parsed remembers tokens that were well signed, since to check the signature takes a
// third of the time of a GET.
type parsed struct {
	mu  sync.RWMutex
	all map[string]parsedToken
}

type parsedToken struct {
	claims claims
	key    signingKey
}

func (p *parsed) get(token string) (parsedToken, bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	t, ok := p.all[token]
	return t, ok
}

func (p *parsed) add(token string, t parsedToken) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all == nil || len(p.all) >= maxParsed {
		p.all = map[string]parsedToken{}
	}
	p.all[token] = t
}

// forget is for when a key has gone.
func (p *parsed) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = nil
}

// parse reads a token of that kind. It returns [ErrExpired] for one that was good once,
// and [ErrToken].
func (a *Auth) parse(token string, k kind) (c claims, key signingKey, fault *answer.Error) {
	if t, ok := a.parsed.get(token); ok && strings.HasPrefix(token, string(k)) {
		if !a.now().Before(t.claims.ExpiresAt.Time) {
			return c, key, ErrExpired
		}
		return t.claims, t.key, nil
	}
	c, key, fault = a.verifyToken(token, k)
	if fault == nil {
		a.parsed.add(token, parsedToken{c, key})
	}
	return c, key, fault
}

func (a *Auth) verifyToken(token string, k kind) (c claims, key signingKey, fault *answer.Error) {
	text, ok := strings.CutPrefix(token, string(k))
	if !ok {
		return c, key, ErrToken
	}
	_, err := jwt.ParseWithClaims(text, &c, func(t *jwt.Token) (any, error) {
		id, _ := t.Header["kid"].(string)
		if key, ok = a.keys.byID(id); !ok {
			return nil, errUnknownKey
		}
		return []byte(key.Secret), nil
	}, jwt.WithValidMethods([]string{"HS256"}), jwt.WithAudience(string(k)), jwt.WithTimeFunc(a.now), jwt.WithExpirationRequired())
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return c, key, ErrExpired
	case err != nil:
		return c, key, ErrToken
	}
	return c, key, nil
}

// Bearer recognises a caller by an access token, in a cell or at the unit ("").
func (a *Auth) Bearer(ctx context.Context, cell, token string) (Caller, error) {
	switch {
	case strings.HasPrefix(token, string(refreshToken)):
		return Caller{Fault: ErrRefresh}, nil
	case strings.HasPrefix(token, string(changeToken)):
		return a.byToken(ctx, cell, token, changeToken)
	}
	return a.byToken(ctx, cell, token, accessToken)
}

// Cookie recognises a caller by a cookie and what must come along with it.
func (a *Auth) Cookie(ctx context.Context, cell, cookie, peer string) (Caller, error) {
	c, _, fault := a.parse(cookie, cookieToken)
	if fault == nil && subtle.ConstantTimeCompare([]byte(c.Peer), []byte(peerHash(peer))) != 1 {
		fault = ErrCookie
	}
	if fault != nil {
		return Caller{Fault: ErrCookie}, nil
	}
	return a.byToken(ctx, cell, cookie, cookieToken)
}

// Refresh recognises a caller by a refresh token, whose scope is then the caller's.
func (a *Auth) Refresh(ctx context.Context, cell, token string) (Caller, error) {
	if strings.HasPrefix(token, string(accessToken)) {
		return Caller{Fault: ErrRefresh}, nil
	}
	return a.byToken(ctx, cell, token, refreshToken)
}

// byToken finds the caller that a token of that kind names, as the caller is now.
func (a *Auth) byToken(ctx context.Context, cell, token string, k kind) (Caller, error) {
	c, key, fault := a.parse(token, k)
	if fault != nil {
		return Caller{Fault: fault}, nil
	}
	if c.Issuer == unitIssuer && c.Subject == "admin" { // good in every cell
		admin := a.admin.Load()
		if !a.marked(&c, key, admin.Secret) {
			return Caller{Fault: ErrExpired}, nil
		}
		caller := adminCaller(admin)
		caller.Scope = caller.Scope.Narrow(c.Scope)
		return caller, nil
	}
	name, ok := strings.CutPrefix(c.Subject, "account:")
	if !ok {
		return Caller{Fault: ErrToken}, nil
	}
	home, err := a.homeOf(ctx, cell, &c)
	switch {
	case errors.Is(err, cellfs.ErrNoCell):
		return Caller{Fault: ErrToken}, nil // of another cell, or of one that is gone
	case err != nil:
		return Caller{}, err
	}
	id, err := account.Find(ctx, a.fs, home, name)
	switch {
	case errors.Is(err, account.ErrNone):
		return Caller{Fault: ErrNone, Deleted: true}, nil
	case err != nil:
		return Caller{}, err
	case !a.marked(&c, key, id.Secret), id.Status == account.Deactivated:
		return Caller{Fault: ErrExpired}, nil // the password is another by now
	}
	caller := a.caller(home, id)
	caller.Scope = caller.Scope.Narrow(c.Scope)
	if k == changeToken { // also if the password need not be changed any more
		caller.change = true
		caller.restrict()
	}
	if err := a.application(ctx, &caller, &c); err != nil {
		return Caller{}, err
	}
	if c.For != "" || cell == "" {
		return a.elsewhere(ctx, cell, caller, &c)
	}
	return caller, nil
}

func (a *Auth) marked(c *claims, key signingKey, secret []byte) bool {
	return subtle.ConstantTimeCompare([]byte(c.Mark), []byte(mark(key, secret))) == 1
}

// Own is the name of the account of the cell whose password is the caller's own; "" if the caller
// is none, or one of another cell.
func (c *Caller) Own() string {
	if c.atUnit || c.visits != "" {
		return ""
	}
	return c.account
}

// MustChange reports whether the caller may do nothing but set a new password.
func (c *Caller) MustChange() bool { return c.change }
