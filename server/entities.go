package server

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/sinks"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/systems"
)

// entities answers the entities of a dataset as one JSON list.
func (s *server) entities(w http.ResponseWriter, r *http.Request) {
	s.list(w, r, datasetOf(r))
}

// entitiesOptions answers what is known of the list without any of it, and
// registers who wants to hear of changes.
func (s *server) entitiesOptions(w http.ResponseWriter, r *http.Request) {
	s.options(w, r, datasetOf(r), "GET, HEAD, OPTIONS, POST")
}

func (s *server) options(w http.ResponseWriter, r *http.Request, dataset, methods string) {
	info, err := s.engine.Store().Info(r.Context(), dataset)
	if err == nil {
		err = s.about(w.Header(), r.Context(), info)
	}
	if err != nil {
		s.failFor(w, r, err)
		return
	}
	if !s.listen(w, r, info.Name) {
		return
	}
	w.Header().Set("Allow", methods)
	w.Header().Set("Content-Type", "text/plain")
}

// list streams entities page by page, so that a dataset of any size costs the
// memory of a page.
func (s *server) list(w http.ResponseWriter, r *http.Request, dataset string) {
	l, err := parseListing(r)
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	info, err := s.engine.Store().Info(r.Context(), dataset)
	if errors.Is(err, store.ErrNoDataset) && strings.HasPrefix(dataset, "system:") {
		reply(w, http.StatusOK, []any{}) // nothing has happened yet
		return
	}
	switch {
	case err != nil:
		s.failFor(w, r, err)
		return
	case l.populated && !info.Populated:
		fail(w, http.StatusNotFound, "the dataset is not populated yet")
		return
	}
	if !s.narrowed(w, &l, info) {
		return
	}
	if err := s.about(w.Header(), r.Context(), info); err != nil {
		s.failFor(w, r, err)
		return
	}
	if l.filtered() {
		w.Header().Set("X-Dataset-Filtered", "true")
	}
	w.Header().Set("Content-Type", "application/json")
	if r.Method != http.MethodHead {
		s.write(w, r, info, l)
	}
}

// narrowed restricts a list to its subset; false if it has answered that it cannot.
func (s *server) narrowed(w http.ResponseWriter, l *listing, info store.Info) bool {
	err := l.narrow(s.engine.Lib(), info)
	switch {
	case errors.Is(err, errNoSubset):
		fail(w, http.StatusNotFound, err.Error())
	case err != nil:
		fail(w, http.StatusBadRequest, err.Error())
	}
	return err == nil
}

// about sets the headers of the JSON pull protocol, by which readers notice
// that a dataset is no longer what it was.
func (s *server) about(h http.Header, ctx context.Context, info store.Info) error {
	h.Set("X-Dataset-Populated", strconv.FormatBool(info.Populated))
	h.Set("X-Dataset-Max-Updated", strconv.FormatInt(int64(info.Last), 10))
	h.Set("X-Dataset-Generation", info.Generation)
	at, ok, err := s.engine.Completeness().Of(ctx, info.Name, info.Name)
	if err != nil {
		return err
	}
	if ok {
		h.Set("X-Dataset-Completeness", strconv.FormatInt(at, 10))
	}
	from, err := store.RestoredFrom(ctx, s.engine.Store())
	if err != nil || from == nil {
		return err
	}
	if last, ok := from.Last[info.Generation]; ok {
		h.Set("X-Dataset-Restore-Uuid", from.UUID)
		h.Set("X-Dataset-Restore-Offset", strconv.FormatInt(int64(last), 10))
	}
	return nil
}

// write writes the list. One that breaks off stays open: the connection ends
// before the answer does, so that nobody takes it for whole.
func (s *server) write(w http.ResponseWriter, r *http.Request, info store.Info, l listing) {
	sent := &patient{w: w, control: http.NewResponseController(w)}
	out := &lister{w: bufio.NewWriterSize(sent, 64<<10), left: l.limit, deleted: l.deleted}
	err := s.stream(r.Context(), out, info, l)
	switch {
	case err == nil || sent.gone != nil:
	case sent.begun:
		s.o.Log.Error("list ended early", "dataset", info.Name, "error", err)
		s.breakOff(w, r)
	default:
		s.failFor(w, r, err)
	}
}

// writeTimeout is how long a reader may take for what is handed to it at once.
const writeTimeout = 5 * time.Minute

// patient writes to a reader who may be slow but must not stand still.
type patient struct {
	w       io.Writer
	control *http.ResponseController
	begun   bool
	gone    error
}

// Write implements io.Writer.
func (p *patient) Write(b []byte) (int, error) {
	if p.gone != nil {
		return 0, p.gone
	}
	p.begun = true
	// Not every connection has deadlines; those without are tests'.
	_ = p.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	n, err := p.w.Write(b)
	p.gone = err
	return n, err
}

// lister writes entities as a list.
type lister struct {
	w       *bufio.Writer
	left    int // -1: no limit
	deleted bool
	some    bool
	buf     []byte
}

func (l *lister) add(e entity.Value) error {
	if l.left == 0 || !l.deleted && entity.Deleted(e) {
		return nil
	}
	l.buf = l.buf[:0]
	if l.some {
		l.buf = append(l.buf, ',')
	}
	l.some = true
	l.buf = entity.AppendJSON(l.buf, systems.Outward(e))
	if l.left > 0 {
		l.left--
	}
	_, err := l.w.Write(l.buf)
	return err
}

var errRemade = errors.New("the dataset was made anew while it was read")

func (s *server) stream(ctx context.Context, out *lister, info store.Info, l listing) error {
	out.w.WriteByte('[')
	if err := s.pages(ctx, out, info, l.q); err != nil {
		return err
	}
	if l.held {
		if err := s.uncommitted(ctx, out, info.Name, l.q); err != nil {
			return err
		}
	}
	out.w.WriteString("]\n")
	return out.w.Flush()
}

func (s *server) pages(ctx context.Context, out *lister, info store.Info, q store.Query) error {
	for arena := entity.NewArena(); out.left != 0; {
		q.Limit = 500
		if out.left > 0 {
			q.Limit = min(500, out.left)
		}
		arena.Reset()
		page, err := s.engine.Store().Read(ctx, info.Name, q, arena)
		if err != nil {
			return err
		}
		is, _, err := s.engine.Store().Head(ctx, info.Name)
		if err == nil && hex.EncodeToString(is[:]) != strings.ReplaceAll(info.Generation, "-", "") {
			err = errRemade
		}
		if err != nil {
			return err
		}
		for _, e := range page.Entities {
			if err := out.add(e); err != nil {
				return err
			}
		}
		if page.End {
			return nil
		}
		q.Since = page.Next
	}
	return nil
}

// uncommitted adds what a circuit breaker holds back. It has no place in the
// log yet.
func (s *server) uncommitted(ctx context.Context, out *lister, dataset string, q store.Query) error {
	info, err := s.engine.Store().Info(ctx, sinks.Uncommitted(dataset))
	if errors.Is(err, store.ErrNoDataset) {
		return nil
	}
	if err != nil {
		return err
	}
	q = store.Query{Since: store.Start, Reverse: q.Reverse}
	return s.pages(ctx, out, info, q)
}
