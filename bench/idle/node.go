package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/sluiceio/sluice/bench/measure"
)

// node is the binary at work.
type node struct{ *measure.Node }

func start(ctx context.Context, binary, dir string) (*node, error) {
	n, err := measure.Serve(ctx, binary, dir)
	return &node{n}, err
}

// end stops the node and tells how long that took.
func (n *node) end() error {
	took, err := n.End()
	if err == nil {
		fmt.Printf("  ended in %v\n", took.Round(time.Millisecond))
	}
	return err
}

// webhook posts an order to a chain and waits until it is in the fourth
// dataset; it returns when it was acknowledged and when it had arrived.
func (n *node) webhook(ctx context.Context, chain int, id string) (acknowledged, arrived time.Duration, err error) {
	body := fmt.Appendf(nil, `{"_id":%q,"eventType":"order.paid","order":{"number":"SO-1","total":12.5,"lines":[{"sku":"a","n":1},{"sku":"b","n":2}]}}`, id)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	name := fmt.Sprintf("shop%d-order", chain)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.URL+"/api/receivers/"+name+"-event/entities", bytes.NewReader(body))
	if err != nil {
		return 0, 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Shop-Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	begun := time.Now()
	if status, said, err := do(req); err != nil || status != http.StatusOK {
		return 0, 0, errors.Join(err, fmt.Errorf("the webhook is answered %d: %s", status, said))
	}
	acknowledged = time.Since(begun)
	look := n.URL + "/api/datasets/" + name + "-transform/entity?entity_id=" + id
	for time.Since(begun) < time.Minute {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, look, nil)
		if err != nil {
			return 0, 0, err
		}
		status, _, err := do(req)
		if err != nil {
			return 0, 0, err
		}
		if status == http.StatusOK {
			return acknowledged, time.Since(begun), nil
		}
		if err := pause(ctx, time.Millisecond); err != nil {
			return 0, 0, err
		}
	}
	return 0, 0, fmt.Errorf("webhook %s has not arrived after a minute", id)
}

func do(req *http.Request) (status int, said []byte, err error) {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	said, err = io.ReadAll(resp.Body)
	return resp.StatusCode, said, err
}
