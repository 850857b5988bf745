package dav

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"cellar/cellfs"
	"cellar/cellfs/account"
	"cellar/cellfs/control"
	"cellar/dav/answer"
	"cellar/dav/auth"
)

// oauthError is a refusal of the token endpoint (contract 5.3): an error with the kind that
// OAuth has for it (RFC 6749, 5.2).
type oauthError struct {
	kind string
	err  *answer.Error
}

// Error is the error as OAuth clients show it.
func (e *oauthError) Error() string { return "[" + string(e.err.Code) + "] - " + e.err.Message }

func oauth(kind string, c answer.Code, args ...any) *oauthError {
	return &oauthError{kind, answer.New(c, args...)}
}

var (
	errLogin         = oauth("invalid_grant", answer.LoginFailed)
	errRefreshFormat = oauth("invalid_grant", answer.RefreshTokenFormat)
	errRefreshOld    = oauth("invalid_grant", answer.RefreshTokenExpired)
	errNotRefresh    = oauth("invalid_grant", answer.NotRefreshToken)
	errAssertionOld  = oauth("invalid_grant", answer.RefreshTokenExpired)
	errNoScope       = oauth("invalid_scope", answer.NothingOfScope)
	errTarget        = oauth("invalid_request", answer.TokenTarget)
)

func errMissing(parameter string) error {
	return oauth("invalid_request", answer.MissingParameter, parameter)
}

// token answers POST on __token of a cell, and of the unit for its admin.
func (q *request) token() error {
	err := q.grant()
	var refused *oauthError
	if errors.As(err, &refused) {
		return q.sendJSON(refused.err.Code.Status(), map[string]string{"error": refused.kind, "error_description": refused.Error()})
	}
	return err
}

func (q *request) grant() error {
	form, err := q.form()
	if err != nil {
		return err
	}
	g := auth.Grant{Scope: form.Get("scope"), Cookie: form.Get("p_cookie") == "true"}
	if g.App, err = q.application(form); err != nil {
		return err
	}
	if g.Life, err = seconds(form, "expires_in", auth.MaxAccess); err != nil {
		return err
	}
	if g.RefreshLife, err = seconds(form, "refresh_token_expires_in", auth.MaxRefresh); err != nil {
		return err
	}
	caller, err := q.recognise(form)
	if err != nil {
		return err
	}
	if err := sameApplication(&caller, &g, form.Get("grant_type") == "refresh_token"); err != nil {
		return err
	}
	aim := form.Get("p_target")
	if aim != "" {
		if g.Target, err = q.tokenTarget(aim); err != nil {
			return err
		}
	}
	t, err := q.h.auth.Issue(q.Context(), q.target.Path.Cell(), &caller, g)
	switch {
	case errors.Is(err, auth.ErrScope):
		return errNoScope
	case errors.Is(err, auth.ErrTarget):
		return errTarget
	case err != nil:
		return err
	}
	if t.MustChange {
		return q.mustChange(t)
	}
	return q.writeTokens(t, aim, form.Get("grant_type") == "password")
}

// recognise finds who asks for a token.
func (q *request) recognise(form url.Values) (c auth.Caller, err error) {
	cell := q.target.Path.Cell()
	switch form.Get("grant_type") {
	case "password":
		for _, field := range []string{"username", "password"} {
			if form.Get(field) == "" {
				return c, errMissing(field)
			}
		}
		c, err = q.h.auth.Password(q.Context(), cell, form.Get("username"), form.Get("password"), q.peer.Addr)
		if err == nil && c.Fault != nil && c.Fault != auth.ErrMustChange {
			err = errLogin
		}
		return c, err
	case "refresh_token":
		if form.Get("refresh_token") == "" {
			return c, errMissing("refresh_token")
		}
		c, err = q.h.auth.Refresh(q.Context(), cell, form.Get("refresh_token"))
		switch {
		case err != nil || c.Fault == nil:
			return c, err
		case c.Fault == auth.ErrRefresh:
			return c, errNotRefresh
		case c.Fault == auth.ErrToken:
			return c, errRefreshFormat
		}
		return c, errRefreshOld
	case assertionGrant:
		return q.byAssertion(cell, form.Get("assertion"))
	}
	return c, oauth("unsupported_grant_type", answer.GrantType, cellfs.Printable(form.Get("grant_type")))
}

// seconds reads how long a token shall live; at most, and without one, limit.
func seconds(form url.Values, field string, limit int) (int, error) {
	v := form.Get(field)
	if v == "" {
		return limit, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > limit {
		return 0, errMissing(field)
	}
	return n, nil
}

func (q *request) writeTokens(t auth.Tokens, aim string, byPassword bool) error {
	body := map[string]any{
		"access_token": t.Access, "token_type": "Bearer", "expires_in": t.Life,
		"refresh_token": t.Refresh, "refresh_token_expires_in": t.RefreshLife, "scope": t.Scope.String(),
	}
	if aim != "" {
		body["p_target"] = aim
	}
	if byPassword {
		body["last_authenticated"], body["failed_count"] = nil, 0
	}
	if t.Cookie != "" {
		body["p_cookie_peer"] = t.Peer
		path := "/"
		if !q.target.HostForm && q.target.Path.Len() > 0 {
			path = "/" + url.PathEscape(q.target.Path.Cell()) + "/"
		}
		http.SetCookie(q.w, &http.Cookie{
			Name: cookieName, Value: t.Cookie, Path: path, MaxAge: t.Life, HttpOnly: true,
			Secure: q.secure(), SameSite: http.SameSiteLaxMode,
		})
	}
	return q.sendJSON(http.StatusOK, body)
}

// secure reports whether the client speaks HTTPS.
func (q *request) secure() bool {
	return q.peer.HTTPS || q.h.cfg.UnitURL != nil && q.h.cfg.UnitURL.Scheme == "https"
}

// mustChange is the answer to a caller who must set another password first: a token that is good
// only for that.
func (q *request) mustChange(t auth.Tokens) error {
	e := oauth("invalid_grant", answer.PasswordChangeRequired)
	q.w.Header().Set("WWW-Authenticate", `Basic realm="`+q.target.CellURL+`"`)
	return q.sendJSON(http.StatusUnauthorized, map[string]any{
		"error": e.kind, "error_description": e.Error(), "access_token": t.Access, "token_type": "Bearer", "expires_in": t.Life,
		"url": q.target.CellURL + "__mypassword", "last_authenticated": nil, "failed_count": 0,
	})
}

// credentialHeader carries the password of an account that is made or changed.
const credentialHeader = "X-Personium-Credential"

// changePassword answers PUT on __mypassword: the caller's own password.
func (q *request) changePassword() error {
	name := q.caller.Own()
	if name == "" {
		return q.unauthorized()
	}
	password := q.Header.Get(credentialHeader)
	if password == "" {
		return errCredential
	}
	secret, err := q.hash(password)
	if err != nil {
		return err
	}
	err = q.h.fs.Update(q.Context(), func(tx cellfs.Tx) error {
		s, err := control.In(q.h.fs, tx, q.target.Path.Cell())
		if err == nil {
			err = q.h.auth.Again(tx, &q.caller)
		}
		if err == nil {
			err = s.SetOwnPassword(name, secret)
		}
		if err != nil {
			return err
		}
		return q.recordOwn(tx, s.Cell.ID, name)
	})
	if err != nil {
		return err
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

var (
	errCredential = answer.New(answer.NoCredential)
	errPassword   = answer.New(answer.PasswordFormat)
)

// hash makes the secret of a password. It waits for the turn of the caller's address, and then looks at
// the caller again, because another change may have come first.
func (q *request) hash(password string) (json.RawMessage, error) {
	if !account.IsPassword(password) {
		return nil, errPassword // without waiting
	}
	leave, err := q.h.auth.Turn(q.Context(), q.peer.Addr)
	if err != nil {
		return nil, err
	}
	defer leave()
	err = q.h.fs.View(q.Context(), func(tx cellfs.Tx) error { return q.h.auth.Again(tx, &q.caller) })
	if err != nil {
		return nil, err
	}
	return q.h.cfg.PasswordCost.Hash(password)
}
