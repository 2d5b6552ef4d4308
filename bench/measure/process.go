package measure

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Usage is what the kernel says of a process, or of several together.
type Usage struct {
	RSS, Peak int64 // bytes, with what it shares with others
	Own       int64 // bytes, with its part of what it shares with others; RSS if the kernel does not say
	CPU       time.Duration
	Threads   int
}

// tick is the unit of times in /proc; USER_HZ is 100 on every Linux.
const tick = 10 * time.Millisecond

// Process reads the usage of a process, without its children.
func Process(pid int) (u Usage, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return u, err
	}
	u.RSS, u.Peak = kilobytes(status, "VmRSS:"), kilobytes(status, "VmHWM:")
	u.Own, u.Threads = u.RSS, int(number(status, "Threads:"))
	if rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid)); err == nil {
		u.Own = kilobytes(rollup, "Pss:")
	}
	s, err := readStat(pid)
	u.CPU = s.own
	return u, err
}

func kilobytes(text []byte, name string) int64 { return 1024 * number(text, name) }

func number(text []byte, name string) int64 {
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == name {
			v, _ := strconv.ParseInt(f[1], 10, 64)
			return v
		}
	}
	return 0
}

// stat is what /proc/PID/stat says.
type stat struct {
	parent    int
	own, dead time.Duration // processor time; dead is that of children that ended
}

func readStat(pid int) (s stat, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return s, err
	}
	// The name, in parentheses, may hold anything.
	f := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(f) < 15 {
		return s, errors.New("/proc/PID/stat is too short")
	}
	var v [5]int64
	for i, at := range []int{1, 11, 12, 13, 14} {
		if v[i], err = strconv.ParseInt(f[at], 10, 64); err != nil {
			return s, err
		}
	}
	return stat{int(v[0]), time.Duration(v[1]+v[2]) * tick, time.Duration(v[3]+v[4]) * tick}, nil
}

// Tree adds up processes and all that descend from them. Processor time includes
// that of children that have ended.
func Tree(roots ...int) (sum Usage, err error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return sum, err
	}
	all := map[int]stat{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if s, err := readStat(pid); err == nil { // or it has ended meanwhile
			all[pid] = s
		}
	}
	for pid := range all {
		if !descends(all, pid, roots) {
			continue
		}
		u, err := Process(pid)
		if err != nil {
			continue // it has ended meanwhile
		}
		sum.RSS, sum.Peak, sum.Own = sum.RSS+u.RSS, sum.Peak+u.Peak, sum.Own+u.Own
		sum.CPU, sum.Threads = sum.CPU+u.CPU+all[pid].dead, sum.Threads+u.Threads
	}
	return sum, nil
}

func descends(all map[int]stat, pid int, roots []int) bool {
	for range all { // no deeper than there are processes
		for _, root := range roots {
			if pid == root {
				return true
			}
		}
		s, ok := all[pid]
		if !ok {
			return false
		}
		pid = s.parent
	}
	return false
}
