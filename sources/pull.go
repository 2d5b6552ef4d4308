package sources

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/systems"
)

// pull reads the pages of a list in one run.
type pull struct {
	s       *jsonSource
	since   string // the next page begins behind it
	first   bool   // nothing was read before
	size    int    // of a batch
	was     string // the origin, once it is known
	met     func(Origin)
	yield   func(*entity.Batch, error) bool
	batches [2]entity.Batch
	told    bool
	read    int // entities of the page
}

// page reads one page and tells whether there may be more.
func (p *pull) page(ctx context.Context) (more bool, err error) {
	r, err := systems.RESTOf(p.s.cfg.System, p.s.system)
	if err != nil {
		return false, err
	}
	res, err := r.Open(ctx, systems.Fetch{URL: p.s.cfg.URL, Params: p.params(), Header: p.s.cfg.Headers})
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	if res.Status == http.StatusPartialContent {
		doubt(ctx, "the other end answered 206, which is a part of what there is")
	}
	from := originOf(res.Header)
	if err := p.meet(from); err != nil {
		return false, err
	}
	p.read = 0
	before := p.since
	goOn, err := p.entities(res.Body)
	if err != nil || !goOn || p.read == 0 {
		return false, err
	}
	return p.more(from, before)
}

// more tells whether there is another page, after one from an origin that began behind
// before. Where everything was asked for, the other end may have a limit of its own:
// then what it says tells. Its last may be one that it does not show, though, so that
// nothing coming is no error.
func (p *pull) more(from Origin, before string) (bool, error) {
	at, err := strconv.ParseInt(p.since, 10, 64)
	known := err == nil && from.Bounded
	switch moved := p.since != before; {
	case !p.s.pages:
		return moved && known && at < from.Last && p.s.ordered() && p.s.subset == "" && !from.Filtered, nil
	case !moved:
		return false, fmt.Errorf("a page of %d entities does not get further than since=%s: they have no _updated, or not a greater one", p.read, before)
	default:
		return !known || at < from.Last, nil
	}
}

func (p *pull) params() map[string]string {
	params := map[string]string{}
	if p.s.cfg.SupportsSince && p.since != "" {
		params["since"] = p.since
	}
	if p.s.pages {
		params["limit"] = strconv.Itoa(p.s.cfg.PageSize)
	}
	if p.s.subset != "" {
		params["subset"] = p.s.subset
	}
	return params
}

// meet compares the origin with that of the page before, or of the last run.
func (p *pull) meet(o Origin) error {
	if (p.told || !p.first) && !o.follows(p.was, p.since) {
		return ErrRemade
	}
	if !p.told {
		p.told = true
		p.met(o)
	}
	p.was = o.ID
	return nil
}

// maxEntity bounds what is kept of an answer at once, in bytes.
const maxEntity = 104857600

// entities reads an answer as it comes, and hands on batches. An answer that is
// cut short, or is no list, is an error: what it lacks is not gone.
func (p *pull) entities(body io.Reader) (goOn bool, err error) {
	body, err = onlyList(body)
	if err != nil {
		return false, err
	}
	follow, n := p.s.Since().follow(&p.since), 0
	b := p.turn()
	for text, err := range entity.Texts(body, maxEntity) {
		if err != nil {
			return false, fmt.Errorf("the answer breaks off or is no JSON after %d entities: %w", p.read, err)
		}
		text = append(b.Arena.Text(len(text)), text...)
		e, err := entity.Decode(b.Arena, text, entity.DecodeOptions{})
		if err == nil && e.Kind() != entity.Dict {
			err = fmt.Errorf("it is of type %s; entities must be dicts", e.Kind())
		}
		if err != nil {
			return false, fmt.Errorf("entity %d of the answer: %w", p.read+1, err)
		}
		p.read++
		b.Entities = append(b.Entities, e)
		follow(e)
		if n++; n == p.size {
			if !p.hand(b) {
				return false, nil
			}
			b, n = p.turn(), 0
		}
	}
	return n == 0 || p.hand(b), nil
}

// turn returns the batch whose turn it is, empty.
func (p *pull) turn() *entity.Batch {
	p.batches[0], p.batches[1] = p.batches[1], p.batches[0]
	b := &p.batches[0]
	b.Arena.Reset()
	b.Entities = b.Entities[:0]
	return b
}

func (p *pull) hand(b *entity.Batch) bool {
	p.since = strings.Clone(p.since) // it may live in the arena
	b.Since = p.since
	out := *b
	return p.yield(&out, nil)
}

var errNoList = errors.New("the answer is no JSON list of entities")

// onlyList refuses what is no list: an error page, or an error as an object,
// must not be taken for entities, nor nothing for an empty list.
func onlyList(body io.Reader) (io.Reader, error) {
	in := bufio.NewReader(body)
	if head, err := in.Peek(3); err == nil {
		_, _ = in.Discard(len(head) - len(systems.Unmarked(head))) // what was seen can be
	}
	for {
		next, err := in.ReadByte()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%w: it is empty", errNoList)
		}
		if err != nil {
			return nil, err
		}
		switch next {
		case ' ', '\t', '\r', '\n':
		case '[':
			return in, in.UnreadByte()
		default:
			return nil, errNoList
		}
	}
}
