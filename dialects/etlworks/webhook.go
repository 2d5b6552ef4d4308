package etlworks

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/sluiceio/sluice/webhooks"
)

// mask stands for a secret that is there and is not shown.
const mask = "***"

// Header is a header that a webhook sends.
type Header struct {
	Key   string `json:"key"`
	Value string `json:"value"`
	// Ref is the name under which the value is kept if it is secret.
	Ref string `json:"ref,omitempty"`
}

// Webhook is a webhook as the API takes and shows it.
type Webhook struct {
	ID                int64    `json:"id"`
	Name              string   `json:"name"`
	Description       string   `json:"description"`
	Events            []string `json:"events"`
	URL               string   `json:"url"`
	Method            string   `json:"method"`
	ContentType       string   `json:"contentType"`
	IncludeEntity     bool     `json:"includeEntity"`
	Headers           []Header `json:"headers"`
	Secret            *string  `json:"secret,omitempty"`
	BasicUser         string   `json:"basicUser,omitempty"`
	BasicPass         *string  `json:"basicPass,omitempty"`
	Enabled           *bool    `json:"enabled"`
	StandardWebhooks  bool     `json:"standardWebhooks"`
	SignatureEncoding string   `json:"signatureEncoding"`
	Retry             string   `json:"retry"`
	// Disabled tells why a webhook is, Warnings what will never come of the
	// choice of events. Both are only told.
	Disabled string   `json:"disabledReason,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
}

// On tells whether it is enabled, as it is unless somebody says otherwise.
func (w *Webhook) On() bool { return w.Enabled == nil || *w.Enabled }

// invalid is a definition that cannot be: what is wrong, for the caller.
type invalid string

// Error says what is wrong.
func (i invalid) Error() string { return string(i) }

func invalidf(format string, args ...any) error { return invalid(fmt.Sprintf(format, args...)) }

// Bounds of a definition.
const (
	longestBody = 1 << 20
	mostHeaders = 50
	mostEvents  = 200
	longestText = 4096
)

// readWebhook reads a definition and fills in what it leaves out.
func readWebhook(body io.Reader) (*Webhook, error) {
	w := &Webhook{Method: http.MethodPost, ContentType: "application/json", SignatureEncoding: "hex", Retry: "standard"}
	if err := decodeStrict(body, w, "webhook"); err != nil {
		return nil, err
	}
	if w.Events == nil {
		w.Events = []string{}
	}
	if w.Headers == nil {
		w.Headers = []Header{}
	}
	return w, w.check()
}

// check finds what could never work.
func (w *Webhook) check() error {
	for _, part := range []func() error{w.checkTexts, w.checkURL, w.checkChoices, w.checkHeaders} {
		if err := part(); err != nil {
			return err
		}
	}
	fault, warnings := checkEvents(w.Events)
	switch {
	case fault != "":
		return invalid("events: " + fault)
	case len(w.Events) > mostEvents:
		return invalidf("events: there are more than %d", mostEvents)
	}
	w.Warnings = warnings
	return nil
}

func (w *Webhook) checkTexts() error {
	if strings.TrimSpace(w.Name) == "" {
		return invalid("name is required")
	}
	texts := map[string]string{"name": w.Name, "description": w.Description, "url": w.URL, "basicUser": w.BasicUser, "secret": value(w.Secret), "basicPass": value(w.BasicPass)}
	for _, key := range []string{"name", "description", "url", "basicUser", "secret", "basicPass"} {
		if len(texts[key]) > longestText || strings.Contains(texts[key], "\x00") {
			return invalidf("%s is longer than %d bytes, or holds a character that no text has", key, longestText)
		}
	}
	// What is written here would be resolved with the node's own variables and
	// secrets, and sent to whoever the webhook is for.
	for _, key := range []string{"url", "basicUser"} {
		if resolvable(texts[key]) {
			return invalidf("%s may not refer to $ENV or $SECRET", key)
		}
	}
	return nil
}

func resolvable(s string) bool {
	return strings.Contains(s, "$ENV(") || strings.Contains(s, "$SECRET(")
}

func (w *Webhook) checkURL() error {
	u, err := url.Parse(w.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return invalid("url is an address of http or https")
	case u.User != nil:
		return invalid("url holds a user or password: give them by basicUser and basicPass")
	}
	return nil
}

func (w *Webhook) checkChoices() error {
	switch {
	case w.Method != http.MethodPost && w.Method != http.MethodGet:
		return invalid("method is POST or GET")
	case w.ContentType != "application/json" && w.ContentType != webhooks.FormType:
		return invalid("contentType is application/json or " + webhooks.FormType)
	case w.SignatureEncoding != "hex" && w.SignatureEncoding != "base64":
		return invalid("signatureEncoding is hex or base64")
	case w.Retry != "standard" && w.Retry != "none":
		return invalid("retry is standard or none")
	case w.StandardWebhooks && w.Method == http.MethodGet:
		return invalid("standardWebhooks needs the method POST: requests of GET are not signed")
	case strings.Contains(w.BasicUser, ":"):
		return invalid("basicUser may not hold a colon")
	case w.BasicUser == "" && value(w.BasicPass) != "":
		return invalid("basicPass needs basicUser")
	}
	return nil
}

func (w *Webhook) checkHeaders() error {
	seen := map[string]bool{}
	if len(w.Headers) > mostHeaders {
		return invalidf("there may be %d headers at most", mostHeaders)
	}
	for i, h := range w.Headers {
		name := http.CanonicalHeaderKey(h.Key)
		switch {
		case h.Ref != "":
			return invalid("headers have a key and a value")
		case !httpguts.ValidHeaderFieldName(h.Key) || !httpguts.ValidHeaderFieldValue(h.Value) || len(h.Key)+len(h.Value) > longestText:
			return invalidf("headers: number %d is no header that can be sent", i+1)
		case webhooks.Reserved(name) || strings.HasPrefix(name, "X-Etl-Webhook-"):
			return invalidf("headers: %s cannot be set, since the sender decides on it", name)
		case name == "Authorization" && w.BasicUser != "":
			return invalid("headers: basicUser makes the header Authorization itself")
		case seen[name]:
			return invalidf("headers: %s stands twice", name)
		case resolvable(h.Value):
			return invalidf("headers: %s may not refer to $ENV or $SECRET", name)
		}
		seen[name] = true
	}
	return nil
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// secretHeader tells headers whose values nobody is shown.
func secretHeader(name string) bool {
	if webhooks.SecretHeader(name) {
		return true
	}
	name = strings.ToLower(name)
	for _, word := range []string{"key", "auth", "credential", "session", "signature"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// sealed names a secret in the store.
type sealed struct {
	Ref   string    `json:"ref"`
	Until time.Time `json:"until,omitzero"` // of one that was replaced
}

// stored is a webhook as the store keeps it: with names of secrets in place of
// them.
type stored struct {
	Webhook
	Secrets []sealed  `json:"secrets,omitempty"` // the newest first
	Pass    string    `json:"pass,omitempty"`
	Since   int64     `json:"since"` // the last event before it
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
}

// shown is the webhook as anybody may see it who may see it at all.
func (s *stored) shown() *Webhook {
	w := s.Webhook
	hidden := mask
	w.Secret, w.BasicPass = nil, nil
	if len(s.Secrets) > 0 {
		w.Secret = &hidden
	}
	if s.Pass != "" {
		w.BasicPass = &hidden
	}
	w.Headers = make([]Header, len(s.Headers))
	for i, h := range s.Headers {
		if w.Headers[i] = h; h.Ref != "" {
			w.Headers[i] = Header{Key: h.Key, Value: mask}
		}
	}
	return &w
}

// refs are the names of all secrets it has.
func (s *stored) refs() []string {
	var all []string
	for _, k := range s.Secrets {
		all = append(all, k.Ref)
	}
	if s.Pass != "" {
		all = append(all, s.Pass)
	}
	for _, h := range s.Headers {
		if h.Ref != "" {
			all = append(all, h.Ref)
		}
	}
	return all
}
