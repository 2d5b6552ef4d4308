package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/sluiceio/sluice/webhooks"
)

// system is one that takes in events and delivers them as webhooks.
type system interface {
	// start begins its processes in a box and has it deliver to an address.
	start(ctx context.Context, o options, b *box, hook string) (target, error)
	// envelope makes the body of the request that publishes an event.
	envelope(id string, event []byte) []byte
	// verify says whether a delivery is signed by it.
	verify(h http.Header, body []byte) error
}

// What events are published with, and signed with when they are delivered.
const (
	apiKey = "an-example-key-that-protects-nothing"
	secret = "whsec_YW4tZXhhbXBsZS1zZWNyZXQtb2YtdGhlLWJlbmNo"
)

// standard verifies signatures of Standard Webhooks.
type standard struct{}

func (standard) verify(h http.Header, body []byte) error {
	scheme, err := webhooks.New("standard", "")
	if err != nil {
		return err
	}
	return scheme.Verify(&webhooks.Message{Header: h, Body: body}, webhooks.Keys{secret}, time.Now())
}

// verifyHex verifies a digest of the body, in hexadecimal figures.
func verifyHex(given string, body []byte) error {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	if want := hex.EncodeToString(mac.Sum(nil)); !hmac.Equal([]byte(given), []byte(want)) {
		return errors.New("the signature is not that of the body")
	}
	return nil
}

func jsonHeader(authorization string) http.Header {
	return http.Header{"Content-Type": {"application/json"}, "Authorization": {authorization}}
}

// call sends a request of the setting up, and reads the answer into said.
func call(ctx context.Context, method, url, authorization string, body, said any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	q, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(data))
	if err != nil {
		return err
	}
	q.Header = jsonHeader(authorization)
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s: %s", method, url, resp.Status, text)
	}
	if err != nil || said == nil {
		return err
	}
	return json.Unmarshal(text, said)
}
