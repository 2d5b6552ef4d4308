package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/sluiceio/sluice/sinks"
)

// tellAnswer prints what a served node says of a dataset's circuit breaker.
func tellAnswer(s *stdio, do, dataset string, status int, answer []byte) error {
	var said struct {
		Breaker *struct {
			Why string `json:"why"`
		} `json:"circuit-breaker"`
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if err := json.Unmarshal(answer, &said); err != nil {
		return failed(errors.New("what answers is no node of Sluice: " + err.Error()))
	}
	switch {
	case status != http.StatusOK:
		return failed(errors.New(said.Error.Message))
	case do != "show":
		return tellResolved(s, do, dataset)
	case said.Breaker == nil:
		return failed(fmt.Errorf("dataset %q: %w", dataset, sinks.ErrNotTripped))
	}
	_, err := fmt.Fprintln(s.out, said.Breaker.Why)
	return err
}
