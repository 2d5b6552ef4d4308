package main

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/sluiceio/sluice/examples/webhooks/vendorsim"
)

// tour is the shop and the node while they run.
type tour struct {
	shop       *vendorsim.Vendor
	secret     string // what the node gives the shop to sign with
	server     *http.Server
	served     chan error
	node       *node
	tempDir    string
	seenBefore bool // the data folder was there before this tour
}

// start brings up the shop, a copy of the node folder that knows its address,
// and the node. stop ends what start began, also if it failed half way.
func (t *tour) start(ctx context.Context, o options) (err error) {
	if t.tempDir, err = os.MkdirTemp("", "sluice-tour"); err != nil {
		return err
	}
	if o.data == "" {
		o.data = filepath.Join(t.tempDir, "data")
	}
	if held, err := os.ReadDir(o.data); err == nil {
		t.seenBefore = len(held) > 0
	}
	if o.listen, err = freeAddress(o.listen); err != nil {
		return err
	}
	shopURL, err := t.openShop(o.node)
	if err != nil {
		return err
	}
	dir := filepath.Join(t.tempDir, "node")
	if err := copyNode(o.node, dir, shopURL, "http://"+o.listen+"/api"); err != nil {
		return err
	}
	t.node, err = startNode(ctx, o.sluice, dir, o.data, o.listen)
	return err
}

func (t *tour) openShop(nodeDir string) (url string, err error) {
	secrets, err := readSecrets(nodeDir)
	if err != nil {
		return "", err
	}
	t.secret = secrets["webhook_secret"]
	t.shop = vendorsim.New(vendorsim.Options{Token: secrets["access_token"]})
	if t.seenBefore {
		t.changes() // a shop that was opened anew is where the story left it
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	t.server, t.served = &http.Server{Handler: t.shop.Handler()}, make(chan error, 1)
	go func() { t.served <- t.server.Serve(ln) }()
	return "http://" + ln.Addr().String() + "/", nil
}

func readSecrets(dir string) (map[string]string, error) {
	var s struct{ Systems map[string]map[string]string }
	data, err := os.ReadFile(filepath.Join(dir, "test-secrets.json"))
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	return s.Systems["cloverleaf"], err
}

// freeAddress chooses a port where the address leaves it open: the pipes need
// to know it before the node listens.
func freeAddress(listen string) (string, error) {
	if !strings.HasSuffix(listen, ":0") {
		return listen, nil
	}
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}

func copyNode(from, to, shopURL, serviceURL string) error {
	for _, sub := range []string{"pipes", "systems"} {
		if err := os.CopyFS(filepath.Join(to, sub), os.DirFS(filepath.Join(from, sub))); err != nil {
			return err
		}
	}
	for _, name := range []string{"node-metadata.conf.json", "test-secrets.json"} {
		data, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, name), data, 0o600); err != nil {
			return err
		}
	}
	env, err := json.Marshal(map[string]string{"shop_url": shopURL, "service_url": serviceURL})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(to, "test-env.json"), env, 0o600)
}

// stop ends node and shop; the node must end by itself and without an error.
func (t *tour) stop() error {
	var errs []error
	if t.node != nil {
		errs = append(errs, t.node.stop())
	}
	if t.server != nil {
		errs = append(errs, t.server.Close())
		if err := <-t.served; !errors.Is(err, http.ErrServerClosed) {
			errs = append(errs, err)
		}
	}
	if t.tempDir != "" {
		errs = append(errs, os.RemoveAll(t.tempDir))
	}
	return errors.Join(errs...)
}
