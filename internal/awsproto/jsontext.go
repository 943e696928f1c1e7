package awsproto

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// text is the string a raw JSON token stands for. What is no UTF-8 or no valid
// escape becomes U+FFFD.
func text(raw []byte, plain bool) string {
	if plain {
		return string(raw)
	}
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			c, n := utf8.DecodeRune(raw[i:])
			out = utf8.AppendRune(out, c)
			i += n
			continue
		}
		if i+1 >= len(raw) {
			break
		}
		switch c := raw[i+1]; c {
		case 'u':
			var r rune
			r, i = escaped(raw, i)
			out = utf8.AppendRune(out, r)
			continue
		case 'b', 'f', 'n', 'r', 't':
			out = append(out, controls[c])
		default:
			out = append(out, c)
		}
		i += 2
	}
	return string(out)
}

var controls = [256]byte{'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escaped reads the \uXXXX at i, or the two of a surrogate pair, and gives the
// index behind it.
func escaped(raw []byte, i int) (rune, int) {
	r, ok := hex4(raw, i)
	if !ok {
		return utf8.RuneError, i + 2
	}
	i += 6
	if !utf16.IsSurrogate(r) {
		return r, i
	}
	if low, ok := hex4(raw, i); ok {
		if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
			return r, i + 6
		}
	}
	return utf8.RuneError, i
}

// escapeLength is the length of the escape at the start of raw; 0 is none.
func escapeLength(raw []byte) int {
	if len(raw) < 2 {
		return 0
	}
	switch raw[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := hex4(raw, 0); ok {
			return 6
		}
	}
	return 0
}

func hex4(raw []byte, i int) (rune, bool) {
	if i+6 > len(raw) || raw[i] != '\\' || raw[i+1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(raw[i+2:i+6]), 16, 16)
	return rune(n), err == nil
}

const hexDigits = "0123456789abcdef"

// appendString writes s as a JSON string.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
			b = append(b, s[start:i]...)
			b = append(b, "\ufffd"...)
		} else {
			b = append(b, s[start:i]...)
			b = appendEscape(b, c)
		}
		i++
		start = i
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, `\n`...)
	case '\r':
		return append(b, `\r`...)
	case '\t':
		return append(b, `\t`...)
	default:
		return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
	}
}
