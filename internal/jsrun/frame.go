package jsrun

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// What parent and worker say to each other: frames of a kind, a length and that
// many bytes.
const (
	frameReady  = 'y' // worker: it waits for calls
	frameCode   = 'c' // parent: hash and text of a script
	frameForget = 'x' // parent: forget all scripts
	frameRun    = 'r' // parent: a request as JSON
	frameArgs   = 'a' // parent: the argument of the request, as JSON
	frameReply  = 'h' // parent: the answer to a question
	frameAsk    = 'q' // worker: a question to the host
	frameDone   = 'd' // worker: the outcome as JSON
	frameValue  = 'v' // worker: the result, as JSON
)

// hashSize is how many bytes name a script.
const hashSize = 16

// mostFrame bounds a frame, so that a length that is garbage allocates nothing.
const mostFrame = 256 << 20

// request is what a worker is told to run.
type request struct {
	Hash   []byte   `json:"hash"`
	Names  []string `json:"names"`
	Millis int64    `json:"millis"`
	Output int      `json:"output"`
	API    bool     `json:"api"`
}

// outcome is what became of it.
type outcome struct {
	// Exceeded names the bound that was passed, "" if none was.
	Exceeded string  `json:"exceeded,omitempty"`
	Thrown   *Thrown `json:"thrown,omitempty"`
	Console  []Line  `json:"console,omitempty"`
}

// wire is one end of the two pipes.
type wire struct {
	in  *bufio.Reader
	out *bufio.Writer
}

func newWire(in io.Reader, out io.Writer) *wire {
	return &wire{bufio.NewReaderSize(in, 64<<10), bufio.NewWriterSize(out, 64<<10)}
}

// put writes a frame; flush sends it.
func (w *wire) put(kind byte, parts ...[]byte) error {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	var head [5]byte
	head[0] = kind
	binary.BigEndian.PutUint32(head[1:], uint32(n))
	if _, err := w.out.Write(head[:]); err != nil {
		return err
	}
	for _, p := range parts {
		if _, err := w.out.Write(p); err != nil {
			return err
		}
	}
	return nil
}

func (w *wire) flush() error { return w.out.Flush() }

// get reads a frame.
func (w *wire) get() (kind byte, data []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(w.in, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > mostFrame {
		return 0, nil, fmt.Errorf("a frame of %d bytes", n)
	}
	data = make([]byte, n)
	_, err = io.ReadFull(w.in, data)
	return head[0], data, err
}

// expect reads a frame of one kind.
func (w *wire) expect(kind byte) ([]byte, error) {
	got, data, err := w.get()
	if err == nil && got != kind {
		err = fmt.Errorf("a frame %q is expected, found %q", kind, got)
	}
	return data, err
}
