package local

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

// asNobody has files be asked for by somebody who owns a folder and nothing else, if
// the test is run by root: for the rest of it, in this thread.
func asNobody(t *testing.T, dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	const nobody = 65534
	err := filepath.WalkDir(dir, func(name string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(name, nobody, nobody)
	})
	if err == nil {
		err = os.Chmod(filepath.Dir(dir), 0o755)
	}
	runtime.LockOSThread()
	if err == nil {
		err = syscall.Setfsuid(nobody)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Setfsuid(0)
		runtime.UnlockOSThread()
	})
}
