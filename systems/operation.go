package systems

import (
	"slices"
	"strings"
	"time"

	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/spec"
)

// Operation is a compiled operation of a REST system.
type Operation struct {
	name        string
	span        jsonpos.Span
	node        *jsonpos.Node
	method      string
	url         *Template
	headers     *tree
	params      *tree
	paramsFirst bool // headers look at the parameters
	payloadType string
	typeGiven   bool
	next        *Template
	ends        []string
	pageSize    int
	failure     *Template // error_expression
	set         settings
}

// settings are what an operation says and a pipe may say over it.
type settings struct {
	payload          *tree
	properties       *properties
	payloadProperty  string
	responseProperty string
	headersProperty  string
	statusProperty   string
	id, updated      *Template
	allowed, ignored StatusSet
	sinceName        string
	sinceLocation    string
	retries, delay   *int
}

// over returns the settings of s, and those of base where s says nothing.
func (s settings) over(base settings) settings {
	return settings{
		payload:          orElse(s.payload, base.payload),
		properties:       orElse(s.properties, base.properties),
		payloadProperty:  orElse(s.payloadProperty, base.payloadProperty),
		responseProperty: orElse(s.responseProperty, base.responseProperty),
		headersProperty:  orElse(s.headersProperty, base.headersProperty),
		statusProperty:   orElse(s.statusProperty, base.statusProperty),
		id:               orElse(s.id, base.id),
		updated:          orElse(s.updated, base.updated),
		allowed:          s.allowed.orElse(base.allowed),
		ignored:          s.ignored.orElse(base.ignored),
		sinceName:        orElse(s.sinceName, base.sinceName),
		sinceLocation:    orElse(s.sinceLocation, base.sinceLocation),
		retries:          orElse(s.retries, base.retries),
		delay:            orElse(s.delay, base.delay),
	}
}

func orElse[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

func (s StatusSet) orElse(t StatusSet) StatusSet {
	if s.IsZero() {
		return t
	}
	return s
}

func (s settings) rate() rateLimit {
	var rate rateLimit
	if s.retries != nil {
		rate.retries = *s.retries
	}
	if s.delay != nil {
		rate.delay = time.Duration(*s.delay) * time.Second
	}
	return rate
}

// compileOperations compiles the object `operations`; nil has none.
func compileOperations(n *jsonpos.Node, c *compiler) map[string]*Operation {
	if n == nil || n.Kind != jsonpos.Object {
		return nil
	}
	ops := make(map[string]*Operation, len(n.Members))
	for _, m := range n.Members {
		var cfg operationConfig
		c.diags.Add(spec.Decode(m.Value, &cfg)...)
		if m.Value.Kind == jsonpos.Object {
			ops[m.Key] = c.operation(m.Key, &cfg)
		}
	}
	return ops
}

func (c *compiler) operation(name string, cfg *operationConfig) *Operation {
	n := cfg.Node
	op := &Operation{
		name: name, span: n.Span, node: n, method: cfg.Method,
		url:     c.text(n.Get("url")),
		headers: c.tree(n.Get("headers")), params: c.tree(n.Get("params")),
		payloadType: cfg.PayloadType, typeGiven: n.Get("payload-type") != nil,
		next: c.text(n.Get("next_page_link")), ends: c.terminations(n.Get("next_page_termination_strategy")),
		pageSize: cfg.PageSize, failure: c.text(n.Get("error_expression")),
	}
	op.paramsFirst = op.headers.uses("params", "request_params") && !op.params.uses("headers", "request_headers")
	op.set = c.settings(PipeConfig{Node: n, PayloadProperty: cfg.PayloadProperty, ResponseProperty: cfg.ResponseProperty,
		HeadersProperty: cfg.HeadersProperty, StatusProperty: cfg.StatusProperty, SinceName: cfg.SinceName, SinceLocation: cfg.SinceLocation,
		Retries: cfg.Retries, Delay: cfg.Delay})
	c.checkPaging(op, n)
	return op
}

// given returns a number that was written, nil if it was not.
func given(n *jsonpos.Node, key string, v int) *int {
	if !Has(n, key) {
		return nil
	}
	return &v
}

// Has tells whether a property is given; null is as good as absent.
func Has(n *jsonpos.Node, key string) bool {
	v := n.Get(key)
	return v != nil && v.Kind != jsonpos.Null
}

// statuses reads allowed_status_codes and ignored_status_codes.
func (c *compiler) statuses(n *jsonpos.Node) (allowed, ignored StatusSet) {
	allowed = c.status(n.Get("allowed_status_codes"))
	ignored = c.status(n.Get("ignored_status_codes"))
	if allowed.orElse(okStatus()).Overlaps(ignored) {
		c.diags.Add(diag.Finding{
			Rule: "rest/status-codes", Severity: diag.Error, Span: n.Get("ignored_status_codes").Span,
			Message: "ignored_status_codes overlaps the allowed status codes " + allowed.orElse(okStatus()).String(),
		})
	}
	return allowed, ignored
}

func (c *compiler) status(n *jsonpos.Node) StatusSet {
	s, ok := n.Str()
	if !ok {
		return StatusSet{}
	}
	set, err := ParseStatusSet(s)
	if err != nil {
		c.diags.Add(diag.Finding{Rule: "rest/status-codes", Severity: diag.Error, Span: n.Span, Message: err.Error()})
	}
	return set
}

// What ends paging.
const (
	endEmptyResult = "empty-result"
	endSameLink    = "same-next-page-link"
	endEmptyLink   = "next-page-link-empty"
	endSameRequest = "same-next-page-request"
	endSameBody    = "same-response"
	endNotFull     = "not-full-page"
)

// terminations reads next_page_termination_strategy: one condition or a list.
func (c *compiler) terminations(n *jsonpos.Node) []string {
	if n == nil || n.Kind == jsonpos.Null {
		return []string{endEmptyLink, endSameRequest, endSameBody}
	}
	elems := n.Elems
	if n.Kind != jsonpos.Array {
		elems = []*jsonpos.Node{n}
	}
	known := []string{endEmptyResult, endSameLink, endEmptyLink, endSameRequest, endSameBody, endNotFull}
	var ends []string
	for _, e := range elems {
		if s, _ := e.Str(); slices.Contains(known, s) {
			ends = append(ends, s)
			continue
		}
		if n.Kind == jsonpos.Array { // a single one has been checked with the enum
			c.diags.Add(diag.Finding{Rule: "rest/termination", Severity: diag.Error, Span: e.Span,
				Message: "this is no condition that ends paging", Help: "one of " + strings.Join(known, ", ")})
		}
	}
	return ends
}

func (op *Operation) endsOn(strategy string) bool { return slices.Contains(op.ends, strategy) }

func (c *compiler) checkPaging(op *Operation, n *jsonpos.Node) {
	if op.endsOn(endNotFull) && op.pageSize == 0 {
		c.diags.Add(diag.Finding{
			Rule: "rest/page-size", Severity: diag.Error, Span: n.Get("next_page_termination_strategy").Span,
			Message: "not-full-page needs page_size", Help: "say how many entities a full page has in page_size",
		})
	}
}
