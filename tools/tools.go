//go:build tools

// Package tools pins the programs that check this repository.
package tools

import _ "honnef.co/go/tools/cmd/staticcheck"
