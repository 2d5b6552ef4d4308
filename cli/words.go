package cli

import (
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// flagsFirst moves the flags of a command before its words, so that they may stand
// anywhere: the parser takes no words behind a flag that follows words.
func flagsFirst(app *kong.Node, args []string) []string {
	node, depth := command(app, args)
	var flags, words []string
	for rest := args[depth:]; len(rest) > 0; {
		n := 1
		switch arg := rest[0]; {
		case arg == "--":
			n = len(rest) // all that follows are words, and so are those before
			words = slices.Concat(rest[:1], words, rest[1:])
		case strings.HasPrefix(arg, "-") && arg != "-":
			if len(rest) > 1 && takesNext(node, arg, rest[1]) {
				n = 2
			}
			flags = append(flags, rest[:n]...)
		default:
			words = append(words, arg)
		}
		rest = rest[n:]
	}
	return slices.Concat(args[:depth], flags, words)
}

// command is the command that arguments begin with, and how many of them name it.
func command(app *kong.Node, args []string) (node *kong.Node, depth int) {
	node = app
	for depth < len(args) {
		i := slices.IndexFunc(node.Children, func(c *kong.Node) bool { return c.Name == args[depth] })
		if i < 0 {
			break
		}
		node, depth = node.Children[i], depth+1
	}
	return node, depth
}

// takesNext tells whether the argument behind a flag is its value.
func takesNext(node *kong.Node, flag, next string) bool {
	name, long := strings.CutPrefix(flag, "--")
	if !long || strings.HasPrefix(next, "-") && next != "-" {
		return false
	}
	for _, group := range node.AllFlags(false) {
		for _, f := range group {
			if f.Name == name {
				return !f.IsBool() && !f.IsCounter()
			}
		}
	}
	return false
}
