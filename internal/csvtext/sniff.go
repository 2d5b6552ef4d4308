package csvtext

import (
	"bytes"
	"errors"
	"io"
)

// SampleSize is how many bytes of a text are enough to guess its dialect by.
const SampleSize = 64 << 10

// Sniff guesses the dialect of a text by its beginning; whole tells that the
// sample is all of it. It is the delimiter that cuts all rows into the same
// number of fields, the more the better; Excel's if there is none.
func Sniff(sample []byte, whole bool) Dialect {
	best, found := bestDelimiter('"', sample, whole)
	single, ok := bestDelimiter('\'', sample, whole)
	if ok && single.quotes(sample, whole) && (!found || best.singleQuoted(sample, whole)) {
		best, found = single, true
	}
	best.SkipSpace = best.SkipSpace || found && best.spaced(sample, whole)
	return best
}

func bestDelimiter(quote byte, sample []byte, whole bool) (best Dialect, found bool) {
	best, most := Excel(), 1
	for _, delimiter := range []string{",", ";", "\t", "|", ":"} {
		d := Dialect{Delimiter: delimiter, Quote: quote}
		n := d.fits(sample, whole)
		if n == 0 { // spaces before quotes hide these
			d.SkipSpace = true
			n = d.spacedFits(sample, whole)
		}
		if n > most {
			best, most = d, n
		}
	}
	return best, most > 1
}

// rows hands over the rows of a sample, but for the last one if there is more
// to come: it may be cut anywhere. It tells whether they could all be read.
func (d Dialect) rows(sample []byte, whole bool, f func(r *Reader, fields [][]byte) bool) bool {
	if !whole {
		sample = sample[:bytes.LastIndexAny(sample, "\r\n")+1]
	}
	r := NewReader(bytes.NewReader(sample), d)
	r.Nulls = []byte{'0'}
	for n := 0; ; n++ {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			return n > 0
		}
		if err != nil {
			return n > 1 && !whole // a row may go on behind the sample
		}
		if !f(r, fields) {
			return false
		}
	}
}

// fits returns how many fields each row has, 0 if they differ.
func (d Dialect) fits(sample []byte, whole bool) int {
	n := 0
	ok := d.rows(sample, whole, func(_ *Reader, fields [][]byte) bool {
		if n == 0 {
			n = len(fields)
		}
		return n == len(fields)
	})
	if !ok {
		return 0
	}
	return n
}

// spacedFits is fits for a dialect that skips spaces, 0 if nothing is quoted either:
// then spaces make no difference.
func (d Dialect) spacedFits(sample []byte, whole bool) int {
	n := d.fits(sample, whole)
	if n > 0 && !d.quotes(sample, whole) {
		return 0
	}
	return n
}

// spaced tells whether each field but the first begins with a space.
func (d Dialect) spaced(sample []byte, whole bool) bool {
	return d.rows(sample, whole, func(_ *Reader, fields [][]byte) bool {
		for _, f := range fields[1:] {
			if len(f) == 0 || f[0] != ' ' {
				return false
			}
		}
		return true
	})
}

// singleQuoted tells whether fields are put in single quotes, and none begins
// or ends with one only.
func (d Dialect) singleQuoted(sample []byte, whole bool) bool {
	some := false
	ok := d.rows(sample, whole, func(_ *Reader, fields [][]byte) bool {
		for _, f := range fields {
			begins, ends := bytes.HasPrefix(f, []byte("'")), bytes.HasSuffix(f, []byte("'"))
			if begins != ends || bytes.HasPrefix(f, []byte(`"`)) {
				return false
			}
			some = some || begins && len(f) > 1
		}
		return true
	})
	return ok && some
}

// quotes tells whether any field is quoted.
func (d Dialect) quotes(sample []byte, whole bool) bool {
	some := false
	ok := d.rows(sample, whole, func(r *Reader, _ [][]byte) bool {
		some = some || r.quoted
		return true
	})
	return ok && some
}
