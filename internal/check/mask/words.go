package mask

import (
	"strings"
)

// minWord is how long a text must be to tell that it is somebody's (chosen).
const minWord = 4

// Words are the texts by which a request's data is recognised.
type Words map[string]bool

// WordsOf takes the words of an event or an answer, names of members left out.
func WordsOf(body []byte) Words {
	w := Words{}
	w.Add(Flatten(Sample{Body: body}))
	return w
}

// literals are nobody's data.
var literals = map[string]bool{"null": true, "true": true, "false": true}

// Add takes an answer's words in.
func (w Words) Add(a Answer) {
	for _, l := range a.leaves {
		if literals[l.text()] {
			continue
		}
		if whole := l.text(); len(whole) >= minWord && len(whole) <= 256 {
			w[whole] = true
		}
		for _, t := range l.tokens {
			if len(t) >= minWord && isWord(rune(t[0])) {
				w[t] = true
			}
		}
	}
}

// In gives the longest of the words that text holds as a whole; "" for none.
func (w Words) In(text string) (found string) {
	for word := range w {
		if len(word) > len(found) || len(word) == len(found) && word < found {
			if holds(text, word) {
				found = word
			}
		}
	}
	return found
}

// holds tells that word stands in text, not as a part of a longer one.
func holds(text, word string) bool {
	for from := 0; ; {
		i := strings.Index(text[from:], word)
		if i < 0 {
			return false
		}
		i += from
		end := i + len(word)
		if (i == 0 || !isWord(rune(text[i-1])) || !isWord(rune(word[0]))) && (end == len(text) || !isWord(rune(text[end])) || !isWord(rune(word[len(word)-1]))) {
			return true
		}
		from = i + 1
	}
}

// Without gives the words that none of the others has.
func (w Words) Without(others ...Words) Words {
	rest := Words{}
next:
	for word := range w {
		for _, o := range others {
			if o[word] {
				continue next
			}
		}
		rest[word] = true
	}
	return rest
}
