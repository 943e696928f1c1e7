package plain

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/lamina-dev/lamina/internal/sandbox"
)

// isChild says whether a process is another's, which it is until that has buried it.
func isChild(pid, parent int) bool { return slices.Contains(sandbox.Children(parent), pid) }

// outside gives the host's number of a process that an environment's first one
// has just started; 0 when it is gone already.
func outside(first, inside int) int {
	for _, pid := range sandbox.Children(first) {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(status), "\nNSpid:")
		line, _, _ := strings.Cut(rest, "\n")
		numbers := strings.Fields(line)
		if len(numbers) > 0 && numbers[len(numbers)-1] == strconv.Itoa(inside) {
			return pid
		}
	}
	return 0
}
