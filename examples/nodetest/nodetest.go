// Package nodetest has the tests of the examples drive a node as its users would:
// the real binary, started and killed.
package nodetest

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// binKey is the variable that names the binary, once Main has built it.
const binKey = "SLUICE_EXAMPLE_BIN"

// Main builds the binary, once for all tests of a package, and runs them. What it
// returns is the exit status: `func TestMain(m *testing.M) { os.Exit(nodetest.Main(m)) }`.
func Main(m *testing.M) int {
	dir, err := os.MkdirTemp("", "sluice-example")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	bin := filepath.Join(dir, "sluice")
	if out, err := exec.Command("go", "build", "-o", bin, "github.com/sluiceio/sluice/cmd/sluice").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
		return 1
	}
	if err := os.Setenv(binKey, bin); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// Node is a node folder with the process that serves it, if one does.
type Node struct {
	Bin, Dir string
	// Listen is host and port.
	Listen string

	t       *testing.T
	process *exec.Cmd
	said    strings.Builder
	quiet   sync.WaitGroup
}

// New makes a node folder with copies of the example's folders. What serves it is
// killed when the test ends.
func New(t *testing.T, folders ...string) *Node {
	t.Helper()
	n := &Node{t: t, Bin: os.Getenv(binKey), Dir: t.TempDir(), Listen: Address(t)}
	for _, sub := range folders {
		if err := os.CopyFS(filepath.Join(n.Dir, sub), os.DirFS(sub)); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(n.Kill)
	return n
}

// Address is a host and a port where nobody listens, and nobody is given the port
// before the test ends: a connection that goes on there keeps it from those who ask for
// any port, but not from who asks for this one.
func Address(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	near, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close() })
	far, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close() })
	return ln.Addr().String()
}

// File writes a file of the folder, and its folder.
func (n *Node) File(name, text string) {
	n.t.Helper()
	path := filepath.Join(n.Dir, name)
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o600)
	}
	if err != nil {
		n.t.Fatal(err)
	}
}

// Read reads a file of the example.
func (n *Node) Read(name string) string {
	n.t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		n.t.Fatal(err)
	}
	return string(data)
}

// begin starts the process and returns what it writes.
func (n *Node) begin() *bufio.Scanner {
	n.t.Helper()
	n.process = exec.Command(n.Bin, "serve", n.Dir, "--listen", n.Listen, "--allow-internal")
	stderr, err := n.process.StderrPipe()
	if err == nil {
		err = n.process.Start()
	}
	if err != nil {
		n.t.Fatal(err)
	}
	return bufio.NewScanner(stderr)
}

// Flash starts the node and kills it after so long, most likely before it listens.
func (n *Node) Flash(after time.Duration) {
	n.t.Helper()
	lines := n.begin()
	n.quiet.Go(func() {
		for lines.Scan() {
			n.said.WriteString(lines.Text() + "\n")
		}
	})
	<-time.After(after)
	n.Kill()
}

// Start serves the folder, and returns when the node listens.
func (n *Node) Start() {
	n.t.Helper()
	lines := n.begin()
	for lines.Scan() {
		n.said.WriteString(lines.Text() + "\n")
		if strings.HasPrefix(lines.Text(), "listening on ") {
			n.quiet.Go(func() {
				for lines.Scan() {
					n.said.WriteString(lines.Text() + "\n")
				}
			})
			return
		}
	}
	n.t.Fatalf("the node did not start: %s", n.said.String())
}

// Kill is kill -9; it does nothing if the node is not served.
func (n *Node) Kill() {
	if n.process != nil {
		_ = n.process.Process.Kill()
		n.quiet.Wait()
		_ = n.process.Wait()
		n.process = nil
	}
}

// PID is the number of the process that serves the node.
func (n *Node) PID() int { return n.process.Process.Pid }

// Said is what the node has written to its log.
func (n *Node) Said() string { return n.said.String() }
