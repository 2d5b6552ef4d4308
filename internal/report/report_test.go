package report

import (
	"strings"
	"testing"

	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
)

func sample() diag.List {
	return diag.List{
		{Rule: "json/comma", Severity: diag.Error, Message: "a comma too many", Help: "remove it",
			Span: jsonpos.Span{File: "pipes/a.conf.json", Start: jsonpos.Pos{Line: 2, Col: 10}, End: jsonpos.Pos{Line: 2, Col: 11}}},
		{Rule: "config/no-files", Severity: diag.Warning, Message: "nothing <here>", Pipe: "p", Span: jsonpos.Span{File: "x"}},
	}
}

func TestText(t *testing.T) {
	var b strings.Builder
	line := func(string, int) (string, bool) { return "\t\"æ\": 1,,", true }
	if err := Text(&b, sample(), Options{Files: 1, Line: line}); err != nil {
		t.Fatal(err)
	}
	want := `pipes/a.conf.json:2:10: error: a comma too many [json/comma]
  2 |  "æ": 1,,
    |          ^
  help: remove it
x: warning: nothing <here> [config/no-files]
1 error, 1 warning in 1 file
`
	if b.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", b.String(), want)
	}
}

func TestJSON(t *testing.T) {
	var b strings.Builder
	if err := JSON(&b, sample()[1:], Options{Files: 3}); err != nil {
		t.Fatal(err)
	}
	want := `{"findings":[{"rule":"config/no-files","severity":"warning","message":"nothing <here>","path":"x","line":0,"column":0,"end_line":0,"end_column":0,"pointer":"","pipe":"p","help":"","url":""}],"summary":{"errors":0,"warnings":1,"files":3}}` + "\n"
	if b.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", b.String(), want)
	}
}
