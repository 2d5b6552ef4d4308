package cli_test

import (
	"strings"
	"testing"
)

// Failed entities are told of and tried again on a folder, and on the node that
// serves it.
func TestFailed(t *testing.T) {
	dir := node(t, `[{"_id": "out", "type": "pipe", "source": {"type": "embedded", "entities": [{"_id": "1"}, {"_id": "2", "bad": true}]},
		"transform": {"type": "dtl", "rules": {"default": [["copy", "*"], ["if", ["eq", "_S.bad", true], ["fail!", "bad"]]]}},
		"pump": {"mode": "manual", "max_write_errors_in_retry_dataset": 5, "max_consecutive_write_errors": 5, "max_retries_per_entity": 0}}]`)
	if status, out, errs := run(t, "run", dir, "--pipe", "out"); status != 0 {
		t.Fatalf("%d %q %q", status, out, errs)
	}
	const given, waiting = "out: 0 wait for another try, 1 were given up", "out: 1 wait for another try, 0 were given up"
	check := func(status int, want string, args ...string) {
		t.Helper()
		if got, out, errs := run(t, args...); got != status || !strings.Contains(out+errs, want) {
			t.Errorf("%v: %d %q %q, want %q", args, got, out, errs, want)
		}
	}
	check(0, given, "failed", dir, "show", "out")
	check(0, waiting, "failed", dir, "repost", "out", "2")
	check(2, `there is no pipe "nobody"`, "failed", dir, "show", "nobody")
	check(2, "what to do is missing", "failed", dir, "out")
	check(2, "is no address", "failed", "show", "out", "--node", "nowhere")
	address := serve(t, dir)
	check(0, waiting, "failed", dir, "show", "out")
	check(0, "out: 0 wait for another try, 0 were given up", "failed", "--node", address, "discard", "out")
	check(1, `entity "3" is not among`, "failed", dir, "repost", "out", "3")
	check(2, `there is no pipe "nobody"`, "failed", dir, "repost", "nobody")
	check(2, `did you mean "out"?`, "failed", dir, "repost", "outt")
	check(1, `did you mean "out"?`, "datasets", dir, "cat", "outt")
	check(1, `did you mean "out"?`, "breaker", dir, "show", "outt")
}
