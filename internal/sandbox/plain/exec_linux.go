package plain

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/lamina-dev/lamina/internal/sandbox"
)

// outside gives the host's number of a process that the init has just started;
// 0 when it is gone already.
func (c *commands) outside(inside int) int {
	for _, pid := range sandbox.Children(c.initPID) {
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
