package systems

import (
	"context"
	"fmt"
	"iter"

	"github.com/zeebo/xxh3"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/jinja"
)

// Call is one use of an operation: a source's run, or one entity of a
// transform or sink.
type Call struct {
	// Pipe is the compiled component that calls.
	Pipe *Pipe
	// Entity is what a transform or sink has in hand. Its operation, properties
	// and payload go before those of pipe and operation. Null for sources.
	Entity entity.Value
	// Since is the continuation of a source, "" at the beginning.
	Since string
	// Continues tells that the source supports continuation, so that since
	// is put where since_property_location says.
	Continues bool
	// Raw leaves out id_expression, updated_expression and error_expression.
	Raw bool
	// AnyStatus tells that allowed_status_codes and ignored_status_codes count;
	// otherwise everything but 200-299 is an error.
	AnyStatus bool
	// OnePage leaves next_page_link alone.
	OnePage bool
	// Discard looks at the status only: the page has nothing else, and there is
	// no other.
	Discard bool
}

// Page is one response.
type Page struct {
	Status      int
	ContentType string       // without parameters, "" if none was sent
	Headers     entity.Value // Dict of texts
	JSON        bool         // the body was read as JSON
	Body        entity.Value // what JSON says, or the text or bytes of another body
	// Result is the body, or what payload_property picks; Found tells whether
	// there is one.
	Result entity.Value
	Found  bool
	// Blank tells that the body was empty, Partial that the server calls it a part of
	// what there is, and that no other page follows.
	Blank, Partial bool
	// Ignored tells that the status is among ignored_status_codes.
	Ignored bool
	// ResponseProperty, HeadersProperty and StatusProperty name the properties
	// for what came back, "" if the configuration names none.
	ResponseProperty, HeadersProperty, StatusProperty string
}

// Do makes the calls of an operation, page after page; each page is yielded
// before the next is asked for. Its values live on the heap. An error ends the
// sequence and shows no secret.
func (r *REST) Do(ctx context.Context, c Call) iter.Seq2[*Page, error] {
	return func(yield func(*Page, error) bool) {
		s, err := r.session(c)
		if err != nil {
			yield(nil, err)
			return
		}
		for more := true; more; {
			var p *Page
			p, more, err = s.step(ctx)
			if err != nil {
				yield(nil, s.explain(err))
				return
			}
			if p != nil && !yield(p, nil) {
				return
			}
		}
	}
}

// session is one Call under way.
type session struct {
	r     *REST
	c     Call
	op    *Operation
	set   settings
	keys  *keyring
	host  *jinja.Host
	base  jinja.VarMap // variables of every template
	page  int
	first string // address of the first page
	next  string // address of the next page; "" on the first
	link  string // what next_page_link gave last
	last  *turn  // the page before
	used  string // the token of the last request, or its version
	bare  bool   // fetches a token itself, so it has none
	// turns are the hashes of requests and what was answered, where pages follow.
	turns map[xxh3.Uint128]bool
}

// turn is one request with its response and the body read from it.
type turn struct {
	req  *rendered
	res  *response
	body entity.Value
}

func (r *REST) session(c Call) (*session, error) {
	op, err := r.find(c.Pipe, operationOf(c))
	if err != nil {
		return nil, err
	}
	s := &session{r: r, c: c, op: op, set: c.Pipe.set.over(op.set).over(r.set), keys: &keyring{find: r.env.Secret}}
	s.host = r.hostOf(s.keys)
	props, err := s.properties()
	if err != nil {
		return nil, s.explain(err)
	}
	s.base = jinja.VarMap{"properties": jinja.FromEntity(props)}
	if c.Entity.IsNull() {
		s.baseOfSource()
	} else {
		s.base["entity"] = jinja.FromEntity(c.Entity)
	}
	if op.pageSize > 0 {
		s.base["page_size"] = jinja.Int(int64(op.pageSize))
	}
	return s, nil
}

func operationOf(c Call) string {
	if op, ok := c.Entity.Get("operation"); ok && op.Text() != "" {
		return op.Text()
	}
	return c.Pipe.operation
}

// baseOfSource defines since; it is None at the beginning, so that templates
// can ask.
func (s *session) baseOfSource() {
	since := jinja.None()
	if s.c.Since != "" {
		since = jinja.Str(s.c.Since)
	}
	s.base[s.set.sinceName] = since
	s.base["since"] = since
}

// properties of the entity go before those of pipe and operation, whole.
func (s *session) properties() (entity.Value, error) {
	if p, ok := s.c.Entity.Get("properties"); ok && p.Kind() == entity.Dict {
		return p, nil
	}
	return s.set.properties.value(s.keys)
}

// explain adds the operation to an error and takes the secrets out of it.
func (s *session) explain(err error) error {
	switch err.(type) {
	case *StatusError:
		return err
	}
	return &OperationError{System: s.r.env.ID, Operation: s.op.name, text: s.keys.redact(err.Error()), cause: err}
}

// OperationError is any failure of an operation but a status.
type OperationError struct {
	System, Operation string
	text              string
	cause             error
}

// Error names system and operation and says what went wrong, without secrets.
func (e *OperationError) Error() string {
	return fmt.Sprintf("system %q, operation %q: %s", e.System, e.Operation, e.text)
}

// Unwrap returns the cause, whose text may hold secrets.
func (e *OperationError) Unwrap() error { return e.cause }
