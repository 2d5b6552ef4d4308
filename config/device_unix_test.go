//go:build unix

package config

import "testing"

func TestNoFile(t *testing.T) {
	dir := t.TempDir()
	in(t, dir, "pipes/a.conf.json", aPipe, "")
	in(t, dir, "pipes/b.conf.json", "", "/dev/zero")
	if _, finds := Load([]string{dir}, Options{}); len(finds) != 1 || finds[0].Rule != "config/unreadable" {
		t.Error(finds)
	}
	if _, finds := Load([]string{"/dev/zero"}, Options{}); len(finds) != 1 || finds[0].Rule != "config/too-large" {
		t.Error(finds)
	}
}
