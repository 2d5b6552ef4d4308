package diag

import (
	_ "embed"
	"strings"
)

//go:embed rules.txt
var rulesText string

// Rules are all rules there are by their ids, each with what findings say under it.
// The table is made from the code by internal/gen.
func Rules() map[string][]string {
	all := map[string][]string{}
	id := ""
	for line := range strings.Lines(rulesText) {
		line = strings.TrimSuffix(line, "\n")
		if text, of := strings.CutPrefix(line, "\t"); of {
			all[id] = append(all[id], text)
			continue
		}
		id, all[line] = line, nil
	}
	return all
}

// Joined is what is wrong and what to do about it in one line.
func Joined(message, help string) string {
	if message == "" || help == "" {
		return message + help
	}
	return message + ": " + help
}
