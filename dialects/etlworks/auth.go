package etlworks

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/sluiceio/sluice/dialects"
)

// Administrator is the role that may use the API.
const Administrator = "administrator"

// longestToken is how long a token may live at most: one that was lost is worth
// nothing the next day.
const longestToken = 24 * time.Hour

// claims are what a token says.
type claims struct {
	jwt.RegisteredClaims
	Role  string   `json:"role,omitempty"`
	Roles []string `json:"roles,omitempty"`
}

func (c *claims) administrator() bool {
	for _, r := range append([]string{c.Role}, c.Roles...) {
		if strings.EqualFold(r, Administrator) {
			return true
		}
	}
	return false
}

// NewToken makes a token of a user in a role.
func NewToken(secret, user, role string, now time.Time, life time.Duration) (string, error) {
	switch {
	case len(secret) < shortest:
		return "", fmt.Errorf("the secret %s needs %d bytes at least", AdminSecret, shortest)
	case life <= 0 || life > longestToken:
		return "", fmt.Errorf("a token lives %s at most", longestToken)
	}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, &claims{Role: role, RegisteredClaims: jwt.RegisteredClaims{
		Subject: user, IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(life))}}).SignedString([]byte(secret))
}

// refusal is why a caller may not do what was asked for.
type refusal struct {
	status int
	why    string
}

// Error says why, for the caller.
func (r *refusal) Error() string { return r.why }

// bearer is the token of a request, "" if it has none.
func bearer(r *http.Request) string {
	const scheme = "Bearer "
	values := r.Header.Values("Authorization")
	if len(values) != 1 || len(values[0]) < len(scheme) || !strings.EqualFold(values[0][:len(scheme)], scheme) {
		return ""
	}
	return strings.TrimSpace(values[0][len(scheme):])
}

// admit returns nil if the token is an administrator's.
func admit(find dialects.FindSecret, token string, now time.Time) *refusal {
	secrets := keys(find)
	if len(secrets) == 0 {
		return &refusal{http.StatusForbidden, fmt.Sprintf("this API is closed until the node has a secret %q of at least %d bytes: put it among the node's secrets, and make tokens with `sluice token`", AdminSecret, shortest)}
	}
	if token == "" {
		return &refusal{http.StatusUnauthorized, "a token is expected: Authorization: Bearer …; `sluice token` makes one"}
	}
	var c claims
	var err error
	for _, s := range secrets {
		c = claims{}
		_, err = jwt.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return []byte(s), nil },
			jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithExpirationRequired(), jwt.WithTimeFunc(func() time.Time { return now }))
		if !errors.Is(err, jwt.ErrTokenSignatureInvalid) {
			break
		}
	}
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return &refusal{http.StatusUnauthorized, "the token has expired; `sluice token` makes another"}
	case err != nil:
		return &refusal{http.StatusUnauthorized, "the token is not valid"}
	case c.ExpiresAt.Sub(now) > longestToken:
		return &refusal{http.StatusUnauthorized, fmt.Sprintf("the token lives longer than %s, which no token may", longestToken)}
	case !c.administrator():
		return &refusal{http.StatusForbidden, "only administrators may do this: the token's role is another"}
	}
	return nil
}
