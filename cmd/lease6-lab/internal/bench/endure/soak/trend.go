package soak

import (
	"fmt"
	"slices"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/bench/endure/vitals"
)

// Trend compares the last third of a run with the second one, and says how steeply a value rose over both. The first
// third is for warming up. Medians, because an index that is made anew doubles memory for a moment.
type Trend struct {
	Name   string  `json:"name"`
	Second float64 `json:"second"` // median of the second third
	Last   float64 `json:"last"`   // median of the last third
	Slope  float64 `json:"slope"`  // a minute, by least squares
	Span   float64 `json:"span"`   // minutes from the first sample of the second third to the last one of all
	Bound  float64 `json:"bound"`  // by as much Last may exceed Second
}

// flat reports whether the value stayed as it was. What rises evenly by the slope over both thirds rises by half of that
// from the middle of one to the middle of the other: both figures have the same bound.
func (t *Trend) flat() bool { return t.Last-t.Second <= t.Bound && t.Slope*t.Span/2 <= t.Bound }

// String is the trend on one line.
func (t *Trend) String() string {
	verdict := "flat"
	if !t.flat() {
		verdict = "grows"
	}
	return fmt.Sprintf("%s: %s; median of the last third %.1f, of the second %.1f (at most %.1f more); slope %+.2f a minute (at most %.2f)",
		t.Name, verdict, t.Last, t.Second, t.Bound, t.Slope, t.steepest())
}

// steepest is the slope up to which the value counts as flat.
func (t *Trend) steepest() float64 { return 2 * t.Bound / max(t.Span, 1e-9) }

// What a median may rise by: figures of a few samples scatter, and the heap of Go breathes.
const (
	boundRSSPart    = 0.05 // of the second third
	boundRSS        = 4    // MiB more
	boundGoroutines = 2
	boundFiles      = 1
)

// trends judges samples; nil if there are too few.
func trends(samples []vitals.Vitals) []Trend {
	if len(samples) < fewest {
		return nil
	}
	rss := trendOf("RSS in MiB", samples, func(v *vitals.Vitals) float64 { return vitals.MiB(v.RSS) })
	rss.Bound = boundRSSPart*rss.Second + boundRSS
	goroutines := trendOf("goroutines", samples, func(v *vitals.Vitals) float64 { return float64(v.Goroutines) })
	goroutines.Bound = boundGoroutines
	files := trendOf("descriptors", samples, func(v *vitals.Vitals) float64 { return float64(v.Files) })
	files.Bound = boundFiles
	return []Trend{rss, goroutines, files}
}

func trendOf(name string, samples []vitals.Vitals, value func(*vitals.Vitals) float64) Trend {
	n := len(samples)
	judged, split := samples[n/3:], n-n/3-n/3
	var x, y []float64
	for i := range judged {
		x, y = append(x, judged[i].At.Minutes()), append(y, value(&judged[i]))
	}
	return Trend{
		Name: name, Second: median(y[:split]), Last: median(y[split:]), Slope: slope(x, y), Span: x[len(x)-1] - x[0],
	}
}

func median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	n := len(s)
	return (s[(n-1)/2] + s[n/2]) / 2
}

// slope is that of the straight line that fits best.
func slope(x, y []float64) float64 {
	var mx, my, xy, xx float64
	for i := range x {
		mx, my = mx+x[i]/float64(len(x)), my+y[i]/float64(len(x))
	}
	for i := range x {
		xy, xx = xy+(x[i]-mx)*(y[i]-my), xx+(x[i]-mx)*(x[i]-mx)
	}
	if xx == 0 {
		return 0
	}
	return xy / xx
}
