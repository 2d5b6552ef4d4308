package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// serving returns the address of the node that holds the data folder.
func serving(data string) (string, error) {
	address, err := os.ReadFile(filepath.Join(data, servingFile))
	if err != nil {
		return "", usage("another sluice is using %s, and it is not served: wait until it has ended", data)
	}
	return strings.TrimSpace(string(address)), nil
}

const (
	// longestAnswer is how long a node may take to answer.
	longestAnswer = 30 * time.Second
	// mostAnswer is how many bytes it may answer.
	mostAnswer = 64 << 20
)

// call calls a served node. A path begins behind /api/; a form is posted, without one
// it is asked.
func call(ctx context.Context, node, path string, form url.Values) (*http.Response, error) {
	base, err := baseOf(node)
	if err != nil {
		return nil, err
	}
	method := http.MethodGet
	if form != nil {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, base+"/api/"+path, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, usage("--node %q: %w", node, err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, silent(err)
	}
	return resp, nil
}

// baseOf is the address of a node as people give it, without what follows the host.
func baseOf(node string) (string, error) {
	u, err := url.Parse(node)
	if err != nil || u.Host == "" {
		return "", usage("--node %q is no address such as http://127.0.0.1:9042", node)
	}
	return strings.TrimSuffix(strings.TrimSuffix(node, "/"), "/api"), nil
}

func silent(err error) error { return failed(fmt.Errorf("the node does not answer: %w", err)) }

// refusal is an answer that is an error.
func refusal(resp *http.Response) error {
	var said struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, mostAnswer)) // what can be read of it
	if json.Unmarshal(body, &said) != nil || said.Error.Message == "" {
		return failed(fmt.Errorf("the node answers %s", resp.Status))
	}
	if resp.StatusCode == http.StatusNotFound {
		return failed(absentError(said.Error.Message))
	}
	return failed(errors.New(said.Error.Message))
}

// absentError is the answer that there is no such thing.
type absentError string

func (e absentError) Error() string { return string(e) }

// named are the ids of the pipes or datasets of a node that answered err, nil if it
// was for another reason than the name.
func named(ctx context.Context, node, kind, name string, err error) []string {
	var absent absentError
	var all []struct {
		ID string `json:"_id"`
	}
	if !errors.As(err, &absent) || answer(ctx, node, kind, nil, &all) != nil {
		return nil
	}
	ids := make([]string, len(all))
	for i, p := range all {
		if ids[i] = p.ID; p.ID == name {
			return nil
		}
	}
	return ids
}

// answer calls a served node and reads what it says.
func answer(ctx context.Context, node, path string, form url.Values, said any) error {
	ctx, cancel := context.WithTimeout(ctx, longestAnswer)
	defer cancel()
	resp, err := call(ctx, node, path, form)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return refusal(resp)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswer))
	if err != nil {
		return silent(err)
	}
	if err := json.Unmarshal(body, said); err != nil {
		return failed(fmt.Errorf("what answers is no node of Sluice: %w", err))
	}
	return nil
}

// answered calls a served node whose answer may be long, and hands it over.
func answered(ctx context.Context, node, path string, take func(io.Reader) error) error {
	resp, err := call(ctx, node, path, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return refusal(resp)
	}
	return take(resp.Body)
}

// askNode asks a served node for its pipes.
func askNode(ctx context.Context, node string) ([]told, error) {
	var pipes []nodePipe
	if err := answer(ctx, node, "pipes?fields=runtime", nil, &pipes); err != nil {
		return nil, err
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
