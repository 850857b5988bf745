package dav

import (
	"encoding/base64"
	"net/url"
	"strings"

	"cellar/cellfs"
	"cellar/dav/answer"
	"cellar/dav/auth"
)

// assertionGrant is the grant type with which a visitor gets tokens of the cell for a token that
// its own cell gave for it (RFC 7522, 2.1). The token is opaque here, not SAML.
const assertionGrant = "urn:ietf:params:oauth:grant-type:saml2-bearer"

// byAssertion finds the visitor whom a token for this cell names.
func (q *request) byAssertion(cell, assertion string) (c auth.Caller, err error) {
	if assertion == "" {
		return c, errMissing("assertion")
	}
	c, err = q.h.auth.Visitor(q.Context(), cell, assertion)
	switch {
	case err != nil || c.Fault == nil:
		return c, err
	case c.Fault == auth.ErrToken:
		return c, errRefreshFormat
	case c.Fault == auth.ErrAudience:
		return c, oauth("invalid_grant", answer.TokenTargetWrong, q.target.CellURL)
	}
	return c, errAssertionOld
}

// tokenTarget is what p_target names: this unit, or a cell of it. Cells elsewhere are refused,
// because nothing here can prove to them who the caller is.
func (q *request) tokenTarget(text string) (t auth.Target, err error) {
	u, err := url.Parse(text)
	if err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return t, errTarget
	}
	if u.Scheme == localUnitScheme {
		u = q.ofUnit(u)
	}
	cell, below, ok := q.h.urls.Cell(q.Request, u)
	switch {
	case !ok || len(below) > 0:
		return t, errTarget
	case cell == "":
		return auth.Target{Unit: true}, nil
	}
	return auth.Target{Cell: cell}, nil
}

// localUnitScheme is the scheme of [cellfs.LocalUnit].
var localUnitScheme, _, _ = strings.Cut(cellfs.LocalUnit, ":")

// ofUnit makes a URL of [cellfs.LocalUnit] one of the unit, as the request has it.
func (q *request) ofUnit(u *url.URL) *url.URL {
	made, err := url.Parse(q.target.UnitURL + strings.TrimPrefix(u.String(), cellfs.LocalUnit))
	if err != nil {
		return u
	}
	return made
}

// application authenticates the application that asks for a token on behalf of the caller: by
// client_id, the URL of its cell, and client_secret, a token of that cell for this one. They can
// come as Basic credentials, too (RFC 6749, 2.3.1). nil: none asks.
func (q *request) application(form url.Values) (*auth.App, error) {
	id, secret := form.Get("client_id"), form.Get("client_secret")
	if h := q.Header.Get("Authorization"); h != "" {
		scheme, rest, _ := strings.Cut(h, " ")
		decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(rest))
		colon := strings.LastIndexByte(string(decoded), ':') // a URL that is not encoded has one, too
		if !strings.EqualFold(scheme, "basic") || err != nil || colon < 0 {
			return nil, oauth("invalid_client", answer.ClientHeader)
		}
		name, password := string(decoded[:colon]), string(decoded[colon+1:])
		// Programs that send a user's name and password with every request mean no application.
		if name, password = unescape(name), unescape(password); strings.Contains(name, "://") || strings.HasPrefix(name, localUnitScheme) {
			id, secret = name, password
		}
	}
	if secret == "" {
		return nil, nil
	}
	u, err := url.Parse(id)
	if err != nil {
		return nil, refusedClient(auth.ErrSecretIssuer)
	}
	if u.Scheme == localUnitScheme {
		u = q.ofUnit(u)
	}
	cell, below, ok := q.h.urls.Cell(q.Request, u)
	if !ok || cell == "" || len(below) > 0 {
		return nil, refusedClient(auth.ErrSecretIssuer)
	}
	app, fault, err := q.h.auth.Application(q.Context(), q.target.Path.Cell(), cell, secret)
	if fault != nil {
		err = refusedClient(fault)
	}
	return app, err
}

func refusedClient(e *answer.Error) error { return &oauthError{"invalid_client", e} }

// sameApplication lets a refresh token be used by the application alone that got it.
func sameApplication(c *auth.Caller, g *auth.Grant, refreshed bool) error {
	had := c.App()
	switch {
	case !refreshed, had == nil && g.App == nil, g.App.Is(had):
		return nil
	case had != nil && g.App == nil:
		return oauth("invalid_client", answer.ClientRequired)
	}
	return oauth("invalid_client", answer.ClientMismatch, had.URL(), g.App.URL())
}
