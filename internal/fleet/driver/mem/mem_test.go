package mem

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/lamina-dev/lamina/internal/fleet/driver"
	"github.com/lamina-dev/lamina/internal/fleet/driver/drivertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDriver(t *testing.T) {
	drivertest.Run(t, func(*testing.T) drivertest.Open {
		w := NewWorld(Config{})
		return func(*testing.T) driver.Driver { return w.Open() }
	})
}
