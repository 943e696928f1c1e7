package sandbox

import (
	"bufio"
	"os"
	"strconv"
	"strings"
)

// IDMapped tells whether id exists in this process's user
// namespace; file is /proc/self/uid_map or gid_map.
func IDMapped(file string, id int) bool {
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) != 3 {
			continue
		}
		first, _ := strconv.Atoi(fields[0])
		count, _ := strconv.ParseInt(fields[2], 10, 64)
		if id >= first && int64(id-first) < count {
			return true
		}
	}
	return false
}
