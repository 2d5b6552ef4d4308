package local

import (
	"bytes"
	"testing"
)

// FuzzPayload reads any bytes as a frame's content: it must end, and what is
// accepted must be written back as it was.
func FuzzPayload(f *testing.F) {
	rec := appendRecord(nil, 1, &record{ds: 1, prev: -1, id: []byte("a"), body: []byte(`{"_id":"a"}`)})
	f.Add(appendPayload(nil, 0, &payload{
		lastTS: 5, lastRev: 6, nextDS: 7,
		creates:  []createEntry{{ds: 1, name: "d"}},
		sections: []sectionEntry{{ds: 1, first: 0, table: []uint32{0}, records: rec}},
		populate: []uint32{1},
		states:   []stateEntry{{key: "k", rev: 1, value: []byte("v")}, {key: "gone", rev: 2}},
		drops:    []uint32{3},
	}))
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0xff}, 40))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parsePayload(b, frameData)
		if err != nil {
			return
		}
		for i := range p.sections {
			for j := range p.sections[i].table {
				parseRecord(p.sections[i].record(j), 1)
			}
		}
		again := appendPayload(nil, 0, p)
		if q, err := parsePayload(again, frameData); err != nil || !bytes.Equal(appendPayload(nil, 0, q), again) {
			t.Errorf("%x was written back as %x: %v", b, again, err)
		}
	})
}

// FuzzRows reads any bytes as rows of the index and as a format file.
func FuzzRows(f *testing.F) {
	f.Add(appendDataset(nil, &dataset{name: "d"}, &counts{last: 4, versions: 5, live: -1, size: 1 << 40}))
	f.Add((&meta{at: position{seg: 1, pos: 2, seq: 3}, lastTS: 4, lastRev: 5, nextDS: 6}).append(nil))
	f.Add([]byte("sluice-store 1 00112233445566778899aabbccddeeff\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, ok := parseDataset(b); ok {
			again := appendDataset(nil, d, &d.counts)
			if e, ok := parseDataset(again); !ok || e.counts != d.counts || e.name != d.name {
				t.Errorf("dataset %x became %x", b, again)
			}
		}
		if m, ok := parseMeta(b); ok {
			if n, ok := parseMeta(m.append(nil)); !ok || n != m {
				t.Errorf("meta %x: %+v became %+v", b, m, n)
			}
		}
		parseLatest(b)
		parseEntry(b)
		parseSection(b, b)
		parseIndexRow(b)
		_, _ = parseFormat("FORMAT", string(b))
	})
}
