package jinja

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// lower and upper follow Unicode's full mappings where they differ from the
// simple ones in a way texts show.
func lower(s string) string { return strings.ToLower(s) }

func upper(s string) string { return strings.ReplaceAll(strings.ToUpper(s), "ß", "SS") }

func casefold(s string) string { return strings.ReplaceAll(strings.ToLower(s), "ß", "ss") }

func capitalize(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return ""
	}
	return titleRune(r) + lower(s[n:])
}

func titleRune(r rune) string {
	if r == 'ß' {
		return "Ss"
	}
	return string(unicode.ToTitle(r))
}

func title(s string) string {
	var b strings.Builder
	inWord := false
	for _, r := range s {
		if inWord {
			b.WriteRune(unicode.ToLower(r))
		} else {
			b.WriteString(titleRune(r))
		}
		inWord = isCased(r)
	}
	return b.String()
}

func isCased(r rune) bool { return unicode.IsUpper(r) || unicode.IsLower(r) || unicode.IsTitle(r) }

func swapcase(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsUpper(r) {
			return unicode.ToLower(r)
		}
		return unicode.ToUpper(r)
	}, s)
}

func isLower(s string) bool { return hasCase(s, unicode.IsUpper) }
func isUpper(s string) bool { return hasCase(s, unicode.IsLower) }

// hasCase tells whether s has letters with case, none of the wrong one.
func hasCase(s string, wrong func(rune) bool) bool {
	cased := false
	for _, r := range s {
		if wrong(r) || unicode.IsTitle(r) {
			return false
		}
		cased = cased || isCased(r)
	}
	return cased
}

func isTitle(s string) bool {
	cased, inWord := false, false
	for _, r := range s {
		up := unicode.IsUpper(r) || unicode.IsTitle(r)
		if up && inWord || unicode.IsLower(r) && !inWord {
			return false
		}
		inWord = isCased(r)
		cased = cased || inWord
	}
	return cased
}

func isIdentifier(s string) bool {
	for i, r := range s {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r)) {
			return false
		}
	}
	return s != ""
}

func isPrintable(s string) bool {
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}
