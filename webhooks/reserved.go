package webhooks

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
)

// Reserved tells headers of requests that neither configuration nor events may
// set, since the sender decides on them.
func Reserved(name string) bool {
	name = http.CanonicalHeaderKey(name)
	return strings.HasPrefix(name, "Webhook-") || slices.Contains([]string{"Host", "Content-Length", "Content-Type", "Connection",
		"Transfer-Encoding", "Upgrade", "Te", "Trailer", "Keep-Alive"}, name)
}

// StandardKey makes a secret one of Standard Webhooks: what is none is the key as
// it is.
func StandardKey(secret string) string {
	if _, err := readStandardKey(secret); err == nil {
		return secret
	}
	return "whsec_" + base64.StdEncoding.EncodeToString([]byte(secret))
}
