package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// servingFile stands in the data folder of a node that is served, and holds
// its address.
const servingFile = "serving"

// announce writes the address of a served node where commands look for it, and
// returns how to take it away again.
func announce(data, address string) (withdraw func(), err error) {
	name := filepath.Join(data, servingFile)
	if err := os.WriteFile(name, []byte(address+"\n"), 0o600); err != nil {
		return nil, fmt.Errorf("the data folder: %w", err)
	}
	// One that stays behind is of no harm: it is read only while somebody holds
	// the folder.
	return func() { _ = os.Remove(name) }, nil
}

// askServing asks the node that holds the data folder.
func askServing(ctx context.Context, data string) ([]told, error) {
	address, err := os.ReadFile(filepath.Join(data, servingFile))
	if err != nil {
		return nil, usage("another sluice is using %s, and it is not served: wait until it has ended", data)
	}
	all, err := askNode(ctx, strings.TrimSpace(string(address)))
	if err != nil {
		return nil, fmt.Errorf("another sluice is using %s: %w", data, err)
	}
	return all, nil
}

// longestAnswer is how long a node may take to tell of its pipes.
const longestAnswer = 30 * time.Second

// askNode asks a served node for its pipes.
func askNode(ctx context.Context, node string) ([]told, error) {
	u, err := url.Parse(node)
	if err != nil || u.Host == "" {
		return nil, usage("--node %q is no address such as http://127.0.0.1:9042", node)
	}
	base := strings.TrimSuffix(strings.TrimSuffix(node, "/"), "/api")
	ctx, cancel := context.WithTimeout(ctx, longestAnswer)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/api/pipes?fields=runtime", nil)
	if err != nil {
		return nil, usage("--node %q: %w", node, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, failed(fmt.Errorf("the node does not answer: %w", err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, failed(fmt.Errorf("the node answers %s", resp.Status))
	}
	var pipes []nodePipe
	if err := json.NewDecoder(resp.Body).Decode(&pipes); err != nil {
		return nil, failed(errors.New("what answers is no node of Sluice: " + err.Error()))
	}
	all := make([]told, len(pipes))
	for i, p := range pipes {
		r := p.Runtime
		all[i] = told{Pipe: p.ID, Running: r.Running, Disabled: r.Disabled, Mode: r.Mode, Due: r.Due,
			Failure: r.LastError, Code: r.Why.Code, Why: r.Why.Text}
	}
	return all, nil
}

// nodePipe is what is read of a pipe in a node's answer.
type nodePipe struct {
	ID      string `json:"_id"`
	Runtime struct {
		Running   bool   `json:"is-running"`
		Disabled  bool   `json:"is-disabled"`
		Mode      string `json:"mode"`
		Due       string `json:"next-run"`
		LastError string `json:"last-error"`
		Why       struct {
			Code string `json:"code"`
			Text string `json:"text"`
		} `json:"why"`
	} `json:"runtime"`
}
