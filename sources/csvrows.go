package sources

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/csvtext"
	"github.com/sluiceio/sluice/internal/textdist"
	"github.com/sluiceio/sluice/systems"
)

// csvRun is one reading of a file.
type csvRun struct {
	blank bool // there is not even a header
	short bool // the last row has fewer fields than there are columns
	*csvSource
	since, top string
	size       int
	arena      *entity.Arena
	rows       *csvtext.Reader
	columns    []string // names, "" for columns that become no property
	named      int      // columns that have a name
	key        []int    // the columns of the _id
	id         []byte
}

// run yields batches until the file ends. An error of the file is returned,
// not yielded.
func (t *csvRun) run(body io.Reader, yield func(*entity.Batch, error) bool) error {
	if err := t.open(body); err != nil {
		return err
	}
	for more := true; more; {
		t.arena.Reset()
		b := &entity.Batch{Arena: t.arena, Entities: t.arena.Values(min(t.size, 1000))}
		var err error
		if more, err = t.fill(b); err != nil {
			return err
		}
		b.Since, b.Last = t.offset(), !more
		if len(b.Entities) > 0 && !yield(b, nil) {
			return nil
		}
	}
	return nil
}

// offset is the continuation so far, "" if the source has none.
func (t *csvRun) offset() string {
	if !t.csvSource.since.Supports {
		return ""
	}
	return t.top
}

// open finds out the dialect and the columns.
func (t *csvRun) open(body io.Reader) error {
	text := bufio.NewReaderSize(t.charset.Decode(body), csvtext.SampleSize)
	d, err := t.dialect(text)
	if err != nil {
		return err
	}
	t.rows = csvtext.NewReader(text, d)
	if t.cfg.EscapeNull {
		t.rows.Nulls = []byte(`\x00`)
	}
	names := t.cfg.FieldNames
	if t.cfg.HasHeader {
		header, err := t.rows.Read()
		if errors.Is(err, io.EOF) && len(names) == 0 {
			t.blank = true
			return nil // an empty file has no rows either
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if len(names) == 0 {
			if names, err = t.header(header); err != nil {
				return err
			}
		}
	}
	return t.arrange(names)
}

func (t *csvRun) dialect(text *bufio.Reader) (csvtext.Dialect, error) {
	d := csvtext.Excel()
	switch {
	case t.cfg.Dialect == "excel_tab":
		d.Delimiter = "\t"
	case t.cfg.Dialect == "" && t.cfg.AutoDialect && !systems.Has(t.cfg.Node, "delimiter"):
		sample, err := text.Peek(csvtext.SampleSize)
		if err != nil && !errors.Is(err, io.EOF) {
			return d, err
		}
		d = csvtext.Sniff(sample, err != nil)
	}
	if systems.Has(t.cfg.Node, "delimiter") {
		d.Delimiter = t.cfg.Delimiter
	}
	return d, nil
}

// header reads the names of columns. Those without a name at the end come from
// delimiters too many and are no columns.
func (t *csvRun) header(fields [][]byte) ([]string, error) {
	var names []string
	for i, f := range fields {
		name, err := t.text(i, f)
		if err != nil {
			return nil, err
		}
		names = append(names, string(name))
	}
	for len(names) > 0 && names[len(names)-1] == "" {
		names = names[:len(names)-1]
	}
	for i, name := range names {
		switch {
		case name == "":
			return nil, t.rows.At(i, "column %d has no name; give all names in field_names", i+1)
		case slices.Contains(names[:i], name) && t.wanted(name):
			return nil, t.rows.At(i, "there are two columns %q; give other names in field_names", name)
		}
	}
	return names, nil
}

func (t *csvRun) wanted(name string) bool {
	return (len(t.cfg.Whitelist) == 0 || slices.Contains(t.cfg.Whitelist, name)) && !slices.Contains(t.cfg.Blacklist, name)
}

// arrange decides what becomes of each column.
func (t *csvRun) arrange(names []string) error {
	for _, k := range t.keys {
		i, err := find(names, k)
		if err != nil {
			line, col := t.rows.Start(0)
			return &csvtext.Error{Line: line, Col: col, Msg: err.Error()}
		}
		t.key = append(t.key, i)
	}
	t.named = len(names)
	for _, name := range names {
		if !t.wanted(name) || name == entity.IDKey {
			name = ""
		}
		t.columns = append(t.columns, entity.Key(name))
	}
	return nil
}

// find returns the column of that name.
func find(names []string, name string) (int, error) {
	if i := slices.Index(names, name); i >= 0 {
		return i, nil
	}
	msg := fmt.Sprintf("primary_key names %q, which is none of the columns", name)
	if near := textdist.Nearest(name, names); near != "" {
		return 0, fmt.Errorf("%s; did you mean %q?", msg, near)
	}
	return 0, fmt.Errorf("%s %s", msg, shorten(strings.Join(names, ", ")))
}

// shorten keeps a list of names from filling a screen.
func shorten(s string) string {
	const most = 200
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// fill reads rows until the batch is full; more tells that the file goes on.
func (t *csvRun) fill(b *entity.Batch) (more bool, err error) {
	if t.columns == nil {
		return false, nil
	}
	for len(b.Entities) < t.size {
		row, err := t.rows.Read()
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		e, err := t.entity(row)
		if err != nil {
			return false, err
		}
		if t.follow(e) {
			b.Entities = append(b.Entities, e)
		}
	}
	return true, nil
}

// follow moves the continuation on; false if the entity is not newer than it.
func (t *csvRun) follow(e entity.Value) bool {
	if !t.csvSource.since.Supports {
		return true
	}
	u := Updated(e)
	if u == "" {
		return true // nobody knows whether it is new
	}
	if t.since != "" && !Newer(u, t.since) {
		return false
	}
	if Newer(u, t.top) {
		t.top = string([]byte(u)) // the arena is used again
	}
	return true
}

// entity makes an entity of a row. A row may be shorter than the header, but
// what it has more must be empty.
func (t *csvRun) entity(row [][]byte) (entity.Value, error) {
	for i := t.named; i < len(row); i++ {
		if len(row[i]) > 0 {
			return entity.Value{}, t.rows.At(i, "the row has %d fields, more than the %d columns", len(row), t.named)
		}
	}
	t.short = len(row) < t.named
	o := t.arena.NewObject(len(t.columns) + 1)
	id, err := t.identity(row)
	if err != nil {
		return entity.Value{}, err
	}
	o.Append(entity.IDKey, entity.NewString(t.keep(id)))
	for i, name := range t.columns[:min(len(row), len(t.columns))] {
		if name == "" || len(row[i]) == 0 && !t.cfg.PreserveEmpty {
			continue
		}
		text, err := t.text(i, row[i])
		if err != nil {
			return entity.Value{}, err
		}
		o.Append(name, entity.NewString(t.keep(text)))
	}
	return o.Value(), nil
}

func (t *csvRun) keep(b []byte) string {
	return t.arena.String(append(t.arena.Text(len(b)), b...))
}

// identity makes the _id of the primary key's columns. It stays one to one if
// they are several: what joins them is escaped within them.
func (t *csvRun) identity(row [][]byte) ([]byte, error) {
	t.id = t.id[:0]
	for n, i := range t.key {
		if i >= len(row) || len(row[i]) == 0 {
			return nil, t.rows.At(i, "the column %q of the primary_key is empty", t.keys[n])
		}
		text, err := t.text(i, row[i])
		if err != nil {
			return nil, err
		}
		if len(t.key) == 1 {
			return text, nil
		}
		if n > 0 {
			t.id = append(t.id, ':')
		}
		for _, c := range text {
			if c == ':' || c == '\\' {
				t.id = append(t.id, '\\')
			}
			t.id = append(t.id, c)
		}
	}
	return t.id, nil
}

// text checks that a field could be decoded.
func (t *csvRun) text(i int, field []byte) ([]byte, error) {
	if !t.charset.Wrong(field) {
		return field, nil
	}
	if t.cfg.DecodeErrors == "replace" {
		return bytes.ToValidUTF8(field, []byte("\ufffd")), nil
	}
	return nil, t.rows.At(i, "the field holds bytes that are not %s; mend the file, name its encoding, or set decode_error_strategy to replace", t.cfg.Encoding)
}
