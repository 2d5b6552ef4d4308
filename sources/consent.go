package sources

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/sluiceio/sluice/internal/diag"
)

// Consenting is the ability of receivers that senders ask, before they send,
// whether they may: by OPTIONS, as CloudEvents has it.
type Consenting interface {
	// Consent answers such a question; status 405 if the receiver is not asked.
	Consent(q http.Header) (status int, answer http.Header)
}

// Methods implements Hook.
func (s *webhookSource) Methods() []string {
	if len(s.cfg.Methods) == 0 {
		return []string{http.MethodPost}
	}
	return s.cfg.Methods
}

// Consent implements Consenting. A sender that is not among the origins hears of
// none that is.
func (s *webhookSource) Consent(q http.Header) (int, http.Header) {
	answer := http.Header{"Allow": {strings.Join(append(slices.Clone(s.Methods()), http.MethodOptions), ", ")}}
	if len(s.cfg.Origins) == 0 {
		answer.Set("Allow", strings.Join(s.Methods(), ", "))
		return http.StatusMethodNotAllowed, answer
	}
	origin := q.Get("WebHook-Request-Origin")
	if origin == "" {
		return http.StatusBadRequest, answer
	}
	if !slices.ContainsFunc(s.cfg.Origins, func(o string) bool { return o == "*" || strings.EqualFold(o, origin) }) {
		return http.StatusForbidden, answer
	}
	answer.Set("WebHook-Allowed-Origin", origin)
	answer.Set("WebHook-Allowed-Rate", s.allowedRate(q.Get("WebHook-Request-Rate")))
	return http.StatusOK, answer
}

// allowedRate is how many requests a minute a sender may make that asks for so
// many: what it asks for, or what there is.
func (s *webhookSource) allowedRate(asked string) string {
	n, err := strconv.Atoi(asked)
	switch most := s.cfg.AllowedRate; {
	case most == 0 && (err != nil || n < 1):
		return "*"
	case most == 0:
		return strconv.Itoa(n)
	case err != nil || n < 1:
		return strconv.Itoa(most)
	default:
		return strconv.Itoa(min(n, most))
	}
}

// checkMethods looks for methods that no webhook has, or that pages can make
// browsers use.
func (s *webhookSource) checkMethods() (finds diag.List) {
	for _, m := range s.cfg.Methods {
		if !slices.Contains([]string{"GET", "POST", "PUT", "PATCH", "DELETE"}, m) {
			finds.Add(diag.Finding{Rule: "webhook/methods", Severity: diag.Error, Span: s.cfg.At("methods"),
				Message: fmt.Sprintf("%q is no method that webhooks come by", m), Help: "one of GET, POST, PUT, PATCH and DELETE, in capitals"})
		}
	}
	if s.cfg.Signature == "none" && slices.Contains(s.cfg.Methods, http.MethodGet) {
		finds.Add(diag.Finding{Rule: "webhook/methods", Severity: diag.Warning, Span: s.cfg.At("methods"),
			Message: "any page that a browser near the node opens can make it send such a webhook",
			Help:    "leave GET out, or choose a signature"})
	}
	if s.cfg.AllowedRate > 0 && len(s.cfg.Origins) == 0 {
		finds.Add(diag.Finding{Rule: "webhook/allowed-rate", Severity: diag.Error, Span: s.cfg.At("allowed_rate"),
			Message: `"allowed_rate" needs "allowed_origins"`})
	}
	return finds
}
