package account

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/crypto/scrypt"
)

const (
	// minPassword and maxPassword are how many characters, which are bytes, a password has.
	// What is longer is not hashed.
	minPassword = 6
	maxPassword = 128
)

// ErrPassword: a password is not of the form that is taken.
var ErrPassword = fmt.Errorf("a password has %d to %d characters of A-Z a-z 0-9 - _ ! $ * = ^ ` { | } ~ . @ and blanks, which do not begin or end it", minPassword, maxPassword)

// passwordForm has the characters that Personium takes, and blanks between them. It has no
// "+" and "%", which Personium's clients use for other characters when they send a password
// by Basic, and no blank at the ends, which a header loses.
var passwordForm = regexp.MustCompile("^[a-zA-Z0-9-_!$*=^`{|}~.@](?:[a-zA-Z0-9-_!$*=^`{|}~.@ ]*[a-zA-Z0-9-_!$*=^`{|}~.@])?$")

// IsPassword reports whether an account can have that password.
func IsPassword(s string) bool {
	return len(s) >= minPassword && len(s) <= maxPassword && passwordForm.MatchString(s)
}

// Cost is what the hash of a password takes: the binary logarithm of scrypt's N. Each more
// doubles the time and the memory of making it and of checking it.
type Cost int

// DefaultCost takes 16 MiB of memory, and some 70 ms of a processor (BenchmarkVerify).
const DefaultCost Cost = 14

const (
	scryptR = 8
	scryptP = 1
)

// MaxCost is how many times the time and the memory of [DefaultCost] a hash from elsewhere
// may take. A dearer hash is not checked, so that it cannot keep others waiting: its account needs a
// new password.
const MaxCost = 4

// maxSecret bounds what is hidden of an account, and maxSalt its salt, in bytes: both are
// gone through at every check.
const (
	maxSecret = 4 << 10
	maxSalt   = 1 << 10
)

const (
	saltBytes = 64
	keyBytes  = 32
)

// hidden is what is hidden of an account.
type hidden struct {
	Credential string  `json:"HashedCredential,omitempty"`
	Algorithm  string  `json:"HashAlgorithm,omitempty"`
	Attributes *string `json:"HashAttributes,omitempty"` // JSON in a string
}

// Hash makes what is hidden of an account with that password. It returns [ErrPassword].
func (c Cost) Hash(password string) (json.RawMessage, error) {
	if !IsPassword(password) {
		return nil, ErrPassword
	}
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // never fails
	key, err := scrypt.Key([]byte(password), salt, 1<<c, scryptR, scryptP, keyBytes)
	if err != nil {
		return nil, err
	}
	b64 := base64.StdEncoding.EncodeToString
	attributes := fmt.Sprintf(`{"keyLength":%d}`, keyBytes)
	return json.Marshal(hidden{
		Credential: fmt.Sprintf("$%x$%s$%s", int(c)<<16|scryptR<<8|scryptP, b64(salt), b64(key)),
		Algorithm:  "scrypt", Attributes: &attributes,
	})
}

// verify reports whether the password is the one that was hashed. Without a hash, and with one that
// cannot be checked, no password is right; for the latter err says why.
func verify(kept json.RawMessage, password string) (bool, error) {
	if !IsPassword(password) {
		return false, nil // also because scrypt takes a password with zeros behind it for the same
	}
	s, err := parseSecret(kept)
	if err != nil {
		_, _ = verify(DefaultCost.nobody(), password) // as long as any other
		if errors.Is(err, errNoPassword) {
			err = nil
		}
		return false, err
	}
	key, err := scrypt.Key([]byte(password), s.salt, 1<<s.logN, s.r, s.p, len(s.key))
	return err == nil && subtle.ConstantTimeCompare(key, s.key) == 1, err
}

// errNoPassword: nothing that could be right.
var errNoPassword = errors.New("the account has no password")

// parseSecret reads what is hidden of an account. What cannot be checked, or would cost too
// much, is an error: it may come from elsewhere.
func parseSecret(kept json.RawMessage) (s scryptHash, err error) {
	var h hidden
	if len(kept) > maxSecret {
		return s, fmt.Errorf("the hash takes more than %d bytes", maxSecret)
	}
	if len(kept) > 0 {
		if err := json.Unmarshal(kept, &h); err != nil {
			return s, err
		}
	}
	switch {
	case h.Credential == "":
		return s, errNoPassword
	case h.Algorithm != "scrypt":
		return s, fmt.Errorf("a hash of the kind %q cannot be checked", h.Algorithm)
	}
	return parseScrypt(h.Credential)
}

type scryptHash struct {
	logN, r, p int
	salt, key  []byte
}

// parseScrypt reads ${log2 N, r and p in hexadecimal}${salt}${key}.
func parseScrypt(text string) (h scryptHash, err error) {
	parts := strings.Split(text, "$")
	if len(parts) != 4 || parts[0] != "" {
		return h, errors.New("the hash has another form")
	}
	n, err := strconv.ParseUint(parts[1], 16, 32)
	if err != nil || bits.Len64(n) > 24 {
		return h, errors.New("the cost of the hash has another form")
	}
	h.logN, h.r, h.p = int(n>>16), int(n>>8&0xff), int(n&0xff)
	if h.logN < 1 || h.logN > 30 || h.r < 1 || h.p < 1 || h.r*h.p<<h.logN > MaxCost*scryptR*scryptP<<DefaultCost {
		return h, fmt.Errorf("the cost of the hash, %s, is out of bounds", parts[1])
	}
	if h.salt, err = base64.StdEncoding.DecodeString(parts[2]); err == nil {
		h.key, err = base64.StdEncoding.DecodeString(parts[3])
	}
	if err == nil && (len(h.key) < 16 || len(h.key) > 64 || len(h.salt) > maxSalt) {
		err = errors.New("the hash has another length")
	}
	return h, err
}
