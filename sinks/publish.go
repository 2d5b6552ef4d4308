package sinks

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"strings"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

// Publisher is the ability of sinks to which nothing is pumped: whoever asks
// the node gets what the pipe makes at that moment.
type Publisher interface {
	// Route is the part of the address that names the form: entities, csv, xml.
	Route() string
	// ContentType is what kind of document it is.
	ContentType() string
	// Disposition is the value of Content-Disposition. A name that the address
	// gives goes before the configured one; with neither it is "": no file.
	Disposition(name string) string
	// Continues tells that readers go on from the _updated of the last entity.
	Continues() bool
	// Document begins a document for one reader.
	Document() Document
}

// Document is a document being written, piece by piece.
type Document interface {
	// Begin appends what comes before the first entity.
	Begin(dst []byte) ([]byte, error)
	// Append appends an entity; wrote is false for one that does not appear. An
	// *EntityError is an entity that cannot be written this way.
	Append(dst []byte, e entity.Value) (out []byte, wrote bool, err error)
	// End appends what comes after the last.
	End(dst []byte) ([]byte, error)
}

// Forms is the ability of publishers whose document there is in other forms, too.
type Forms interface {
	// Form returns the publisher of another form by its Route, nil if there is none.
	Form(route string) Publisher
}

// Linking is the ability of publishers that can be linked from a spreadsheet.
type Linking interface {
	// Link returns a spreadsheet that gets its data from the address.
	Link(address string) ([]byte, error)
}

// EntityError is an entity that a sink cannot write.
type EntityError struct {
	ID  string
	Err error
}

// Error names the entity and says what is wrong with it.
func (e *EntityError) Error() string { return fmt.Sprintf("entity %q: %v", e.ID, e.Err) }

// Unwrap returns what is wrong.
func (e *EntityError) Unwrap() error { return e.Err }

func entityError(e entity.Value, err error) error {
	id, _ := entity.ID(e)
	return &EntityError{string([]byte(id)), err}
}

// ErrPublisher is a run of a pipe that nobody can run.
var ErrPublisher = errors.New("the pipe is a publisher: it runs when it is asked for its document")

// published is what publishers have in common.
type published struct {
	route, contentType    string
	filename, disposition string
	continues, bare       bool
	document              func() Document
}

// Start implements Sink.
func (p *published) Start(context.Context, Run) (Writer, error) { return nil, ErrPublisher }

// BatchSize implements Sink.
func (p *published) BatchSize() int { return 100 }

// Bare implements Bare.
func (p *published) Bare() bool { return p.bare }

// Route implements Publisher.
func (p *published) Route() string { return p.route }

// ContentType implements Publisher.
func (p *published) ContentType() string { return p.contentType }

// Continues implements Publisher.
func (p *published) Continues() bool { return p.continues }

// Document implements Publisher.
func (p *published) Document() Document { return p.document() }

// Disposition implements Publisher.
func (p *published) Disposition(name string) string {
	if name == "" {
		name = p.filename
	}
	if name == "" {
		return ""
	}
	return mime.FormatMediaType(p.disposition, map[string]string{"filename": name})
}

const ruleFilename = "sink/filename"

// checkFilename warns of names that clients make different things of.
func checkFilename(name string, n *jsonpos.Node) diag.List {
	plain := strings.IndexFunc(name, func(r rune) bool { return r < ' ' || r > '~' }) < 0
	if plain && !strings.ContainsAny(name, `"'/\`) {
		return nil
	}
	return diag.List{{Rule: ruleFilename, Severity: diag.Warning, Span: n.Span,
		Message: fmt.Sprintf("the filename %q may become another one: clients agree on ASCII without quotes and slashes only", name)}}
}
