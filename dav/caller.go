package dav

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"cellar/cellfs"
)

// caller is who asks. The zero caller is anonymous.
type caller struct {
	admin     bool
	principal string // who it is, as locks keep it
	fault     *coded // why the credentials given are not good; nil if none were
}

// authenticator checks credentials of the unit admin (DECISIONS 22).
type authenticator struct {
	user, password [32]byte // SHA-256, so that comparing takes the same time for all
	name           string
	insecure       bool
	key            []byte // signs tokens
	now            func() time.Time
}

const settingTokenKey = "token-key"

func newAuthenticator(ctx context.Context, c Config) (*authenticator, error) {
	a := &authenticator{
		user: sha256.Sum256([]byte(c.AdminUser)), password: sha256.Sum256([]byte(c.AdminPassword)),
		name: c.AdminUser, insecure: c.InsecureBasic, now: c.Now,
	}
	err := c.FS.Update(ctx, func(tx cellfs.Tx) error {
		stored, err := tx.Setting(settingTokenKey)
		if err != nil {
			return err
		}
		if stored == "" {
			stored = base64.StdEncoding.EncodeToString([]byte(rand.Text() + rand.Text()))
			if err := tx.SetSetting(settingTokenKey, stored); err != nil {
				return err
			}
		}
		// The password is part of the key: changing it revokes all tokens.
		sum := sha256.Sum256([]byte(stored + "\x00" + c.AdminPassword))
		a.key = sum[:]
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("token key: %w", err)
	}
	return a, nil
}

// The faults of credentials (spec/http-conventions.md §5).
var (
	errNoCredential = codef("PR401-AU-0001", "Authorization required.")
	errExpired      = codef("PR401-AU-0002", "Access token expired.")
	errScheme       = codef("PR401-AU-0003", "Invalid authentication scheme.")
	errBasicFormat  = codef("PR401-AU-0004", "Basic auth format error.")
	errTokenFormat  = codef("PR401-AU-0006", "Token parse error.")
	errRefreshToken = codef("PR401-AU-0007", "Can not access with refresh token.")
	errPassword     = codef("PR401-AU-0011", "Authentication failed.")
)

func (a *authenticator) caller(r *http.Request) caller {
	value := r.Header.Get("Authorization")
	if value == "" {
		return caller{}
	}
	scheme, rest, _ := strings.Cut(value, " ")
	switch strings.ToLower(scheme) {
	case "basic":
		return a.basic(r, strings.TrimSpace(rest))
	case "bearer":
		if err := a.checkToken(strings.TrimSpace(rest), prefixAccess); err != nil {
			return caller{fault: err}
		}
		return caller{admin: true, principal: a.name}
	}
	return caller{fault: errScheme}
}

func (a *authenticator) basic(r *http.Request, encoded string) caller {
	if !a.basicAllowed(r) {
		return caller{fault: errNoCredential}
	}
	decoded, err := base64.StdEncoding.DecodeString(encoded)
	user, password, ok := strings.Cut(string(decoded), ":")
	if err != nil || !ok {
		return caller{fault: errBasicFormat}
	}
	if !a.check(user, password) {
		return caller{fault: errPassword}
	}
	return caller{admin: true, principal: a.name}
}

func (a *authenticator) check(user, password string) bool {
	u, p := sha256.Sum256([]byte(user)), sha256.Sum256([]byte(password))
	return subtle.ConstantTimeCompare(u[:], a.user[:])&subtle.ConstantTimeCompare(p[:], a.password[:]) == 1
}

// basicAllowed keeps passwords off the open network (DECISIONS 23).
func (a *authenticator) basicAllowed(r *http.Request) bool {
	if a.insecure || r.TLS != nil {
		return true
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && local.IP.IsLoopback()
}

// unauthorized is the 401 for this request, with the lines that say how to do
// better (DECISIONS 26).
func (q *request) unauthorized() error {
	realm := q.target.cellURL
	if realm == "" {
		realm = q.target.unitURL
	}
	h := q.w.Header()
	h.Add("WWW-Authenticate", `Bearer realm="`+realm+`"`)
	if q.h.auth.basicAllowed(q.Request) {
		h.Add("WWW-Authenticate", `Basic realm="`+realm+`", charset="UTF-8"`)
	}
	if q.caller.fault != nil {
		return q.caller.fault
	}
	return errNoCredential
}

// Tokens are opaque to clients (DECISIONS 23); inside is a signed JWT.
const (
	prefixAccess  = "AA~"
	prefixRefresh = "RA~"

	accessLife  = 3600  // seconds
	refreshLife = 86400 // seconds
)

func (a *authenticator) newToken(prefix string, life int) (string, error) {
	claims := jwt.RegisteredClaims{
		Issuer: "unit", Subject: a.name, Audience: jwt.ClaimStrings{prefix},
		ExpiresAt: jwt.NewNumericDate(a.now().Add(time.Duration(life) * time.Second)), IssuedAt: jwt.NewNumericDate(a.now()),
	}
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(a.key)
	return prefix + signed, err
}

// checkToken returns nil for a valid token with that prefix.
func (a *authenticator) checkToken(token, prefix string) *coded {
	text, ok := strings.CutPrefix(token, prefix)
	if !ok {
		if strings.HasPrefix(token, prefixRefresh) {
			return errRefreshToken
		}
		return errTokenFormat
	}
	var claims jwt.RegisteredClaims
	_, err := jwt.ParseWithClaims(text, &claims, func(*jwt.Token) (any, error) { return a.key, nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithAudience(prefix), jwt.WithTimeFunc(a.now), jwt.WithExpirationRequired())
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return errExpired
	case err != nil:
		return errTokenFormat
	}
	return nil
}

// maxForm bounds the body of a token request, in bytes.
const maxForm = 64 << 10

// token answers POST /__token (spec/auth-and-acl.md §2) for the unit admin.
func (q *request) token() error {
	if q.Method == http.MethodOptions {
		return q.options()
	}
	if q.Method != http.MethodPost {
		return errMethod
	}
	q.Body = http.MaxBytesReader(q.w, q.Body, maxForm)
	if err := q.ParseForm(); err != nil {
		return q.oauthError("invalid_request", "[PR400-AN-0016] - Required parameter [grant_type] missing.")
	}
	form := q.PostForm
	switch form.Get("grant_type") {
	case "password":
		for _, field := range []string{"username", "password"} {
			if form.Get(field) == "" {
				return q.oauthError("invalid_request", "[PR400-AN-0016] - Required parameter ["+field+"] missing.")
			}
		}
		if !q.h.auth.check(form.Get("username"), form.Get("password")) {
			return q.oauthError("invalid_grant", "[PR400-AN-0017] - Authentication failed.")
		}
	case "refresh_token":
		switch err := q.h.auth.checkToken(form.Get("refresh_token"), prefixRefresh); err {
		case nil:
		case errExpired:
			return q.oauthError("invalid_grant", "[PR400-AN-0010] - Token expired or invalid.")
		default:
			if strings.HasPrefix(form.Get("refresh_token"), prefixAccess) {
				return q.oauthError("invalid_grant", "[PR400-AN-0013] - Not a refresh token.")
			}
			return q.oauthError("invalid_grant", "[PR400-AN-0009] - Token parse error.")
		}
	default:
		return q.oauthError("unsupported_grant_type", "[PR400-AN-0001] - Unsupported grant type. ["+form.Get("grant_type")+"]")
	}
	return q.grant()
}

func (q *request) grant() error {
	life, refresh := accessLife, refreshLife
	for field, into := range map[string]*int{"expires_in": &life, "refresh_token_expires_in": &refresh} {
		if v := q.PostForm.Get(field); v != "" {
			n, err := strconv.Atoi(v)
			if err != nil || n < 1 || n > *into {
				return q.oauthError("invalid_request", "[PR400-AN-0016] - Required parameter ["+field+"] missing.")
			}
			*into = n
		}
	}
	access, err := q.h.auth.newToken(prefixAccess, life)
	if err != nil {
		return err
	}
	again, err := q.h.auth.newToken(prefixRefresh, refresh)
	if err != nil {
		return err
	}
	return q.writeJSON(http.StatusOK, map[string]any{
		"access_token": access, "token_type": "Bearer", "expires_in": life,
		"refresh_token": again, "refresh_token_expires_in": refresh, "scope": "root",
	})
}

func (q *request) oauthError(code, description string) error {
	return q.writeJSON(http.StatusBadRequest, map[string]string{"error": code, "error_description": description})
}
