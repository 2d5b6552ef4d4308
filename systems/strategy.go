package systems

import (
	"errors"
	"strconv"

	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
)

// Strategy is what a system says about trying again: settings of pumps by the
// status that a request got. A nil Strategy says nothing.
type Strategy struct {
	rules []strategyRule
	def   *jsonpos.Node
}

type strategyRule struct {
	codes    StatusSet
	settings *jsonpos.Node
}

// strategySettings are the settings of a pump that a strategy may give, for checks.
type strategySettings struct {
	spec.Base
	MaxReadRetries   int     `spec:"max_read_retries" min:"0"`
	ReadRetryDelay   float64 `spec:"read_retry_delay" min:"0"`
	WriteRetryDelay  float64 `spec:"write_retry_delay" min:"0"`
	MaxEntityRetries int     `spec:"max_retries_per_entity" min:"0"`
	MaxWriteErrors   int     `spec:"max_consecutive_write_errors" min:"1"`
	MaxRetryDataset  int     `spec:"max_write_errors_in_retry_dataset" min:"0"`
	BatchRetries     int     `spec:"batch_retries" min:"0"`
}

// strategyDefault is the key of the settings for all other failures.
const strategyDefault = "default"

func compileStrategy(n *jsonpos.Node) (*Strategy, diag.List) {
	if n == nil || n.Kind != jsonpos.Object {
		return nil, nil // a wrong type has been told
	}
	s := &Strategy{}
	var diags diag.List
	for _, m := range n.Members {
		diags.Add(spec.Decode(m.Value, new(strategySettings))...)
		if m.Key == strategyDefault {
			s.def = m.Value
			continue
		}
		codes, err := ParseStatusSet(m.Key)
		if err != nil {
			diags.Add(diag.Finding{Rule: "system/retry-strategy", Severity: diag.Error, Span: m.KeySpan, Message: err.Error(),
				Help: `write status codes and ranges such as 429 or 500,502-504, or "default"`})
			continue
		}
		s.rules = append(s.rules, strategyRule{codes, m.Value})
	}
	return s, diags
}

// Setting is what the strategy says for a status, 0 for a failure without one.
func (s *Strategy) Setting(key string, status int) (float64, bool) {
	if s == nil {
		return 0, false
	}
	for _, r := range s.rules {
		if r.codes.Has(status) {
			if v, ok := numberOf(r.settings.Get(key)); ok {
				return v, true
			}
			break
		}
	}
	return numberOf(s.def.Get(key))
}

// Most is the greatest value that the strategy has for a setting.
func (s *Strategy) Most(key string) (most float64) {
	if s == nil {
		return 0
	}
	most, _ = numberOf(s.def.Get(key))
	for _, r := range s.rules {
		v, _ := numberOf(r.settings.Get(key))
		most = max(most, v)
	}
	return most
}

func numberOf(n *jsonpos.Node) (float64, bool) {
	if n == nil || n.Kind != jsonpos.Number {
		return 0, false
	}
	v, err := strconv.ParseFloat(n.Text, 64)
	return v, err == nil
}

// Retrying is the ability of systems that say how failures are tried again.
type Retrying interface {
	Strategy() *Strategy
}

// Strategy implements Retrying.
func (r *REST) Strategy() *Strategy { return r.strategy }

// FailedAt tells which system failed, and with which status; "" if it is not known.
func FailedAt(err error) (system string, status int) {
	var s *StatusError
	var f *FetchError
	var o *OperationError
	switch {
	case errors.As(err, &s):
		return s.System, s.Status
	case errors.As(err, &f):
		return f.System, 0
	case errors.As(err, &o):
		return o.System, 0
	}
	return "", 0
}
