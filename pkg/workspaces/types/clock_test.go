package types

import (
	"time"

	"k8s.io/utils/clock"
)

// fixed is a clock that shows now.
type fixed struct{ clock.RealClock }

func (fixed) Now() time.Time { return now }
