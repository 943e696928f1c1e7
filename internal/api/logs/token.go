package logs

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// cursor is where a Describe operation's next page begins: behind the name, and
// where streams are sorted by time, behind time and name.
type cursor struct {
	name string
	time int64
	set  bool
}

func encodeToken(c cursor) *string {
	return new(base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(c.time, 10) + "/" + c.name)))
}

func decodeToken(token *string) (cursor, error) {
	if token == nil {
		return cursor{}, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(*token)
	time, name, ok := strings.Cut(string(raw), "/")
	ms, numberErr := strconv.ParseInt(time, 10, 64)
	if err != nil || numberErr != nil || !ok {
		return cursor{}, errToken()
	}
	return cursor{name: name, time: ms, set: true}, nil
}
