package bench

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"strings"
	"time"
)

// Sizes of the plot in its own units, which are pixels at its natural size.
const (
	svgWidth   = 860
	svgMargin  = 24
	svgNames   = 150 // width of the column of names
	svgBars    = 420 // width of the longest bar
	svgRow     = 26
	svgBar     = 16
	svgHeading = 40
)

// svgStyle has no background and middle tones, which are legible on white and on black; where the viewer says what it
// has, the text goes further to the other side.
const svgStyle = `
text { font-family: system-ui, sans-serif; font-size: 13px; fill: #6e7781 }
.h { font-weight: 600 } .small { font-size: 11px } .n { font-variant-numeric: tabular-nums }
.bar { fill: #8c959f } .ours { fill: #2f81f7 } .ceiling { fill: none; stroke: #8c959f; stroke-dasharray: 4 3 }
.range { stroke: #8c959f; stroke-width: 1.5 } .axis { stroke: #8c959f; stroke-opacity: .5 }
@media (prefers-color-scheme: dark) { text { fill: #adbac7 } }
`

// WriteSVG writes the exchanges a second of every case as bars, with their range, their ratio to the ceiling and their p99.
func (r *Report) WriteSVG(w io.Writer) error {
	var b bytes.Buffer
	y := svgMargin
	text := func(x, y int, class, anchor, format string, args ...any) {
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" class=\"%s\" text-anchor=\"%s\">%s</text>\n", x, y, class, anchor, html.EscapeString(fmt.Sprintf(format, args...)))
	}
	most := r.fastest()
	text(svgMargin, y+10, "h", "start", "DHCPv6 exchanges a second, one CPU for the server, %d in flight", r.Window)
	y += svgHeading
	for i := range r.Cases {
		c := &r.Cases[i]
		text(svgMargin, y+4, "h small", "start", "%s, %s reservations", c.title(), group(float64(c.Reservations)))
		y += svgRow / 2
		top := y
		for j := range c.Servers {
			s := &c.Servers[j]
			if len(s.Rounds) > 0 || s.Failed != "" {
				s.bar(&b, text, y, most)
				y += svgRow
			}
		}
		fmt.Fprintf(&b, "<line class=\"axis\" x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>\n", svgMargin+svgNames, top, svgMargin+svgNames, y)
		y += svgHeading / 2
	}
	text(svgMargin, y+4, "small", "start", "Median of %d rounds of %g s, interleaved; whiskers: least and most. %s.", r.Rounds, r.Seconds, r.Date.Format(time.DateOnly))
	text(svgMargin, y+20, "small", "start", "%s", r.Machine)
	y += svgHeading
	_, err := fmt.Fprintf(w, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %[1]d %[2]d\" role=\"img\">\n<title>%s</title>\n<style>%s</style>\n%s</svg>\n",
		svgWidth, y, "DHCPv6 exchanges a second of several servers", svgStyle, b.String())
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	return nil
}

// bar draws one server at height y.
func (s *Server) bar(b *bytes.Buffer, text func(x, y int, class, anchor, format string, args ...any), y int, most float64) {
	x, base := svgMargin+svgNames, y+svgRow/2+5
	text(x-8, base, "", "end", "%s", strings.TrimSpace(s.Name+" "+s.Version))
	if len(s.Rounds) == 0 {
		text(x+8, base, "small", "start", "no figures: not installed, or not started in time")
		return
	}
	class := "bar"
	switch s.Name {
	case "lease6d":
		class = "ours"
	case "ceiling":
		class = "ceiling"
	}
	at := func(v float64) float64 { return float64(x) + svgBars*v/most }
	fmt.Fprintf(b, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" rx=\"2\"/>\n", class, x, y+(svgRow-svgBar)/2, at(s.Rate.Median)-float64(x), svgBar)
	fmt.Fprintf(b, "<line class=\"range\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%[2]d\"/>\n", at(s.Rate.Min), y+svgRow/2, at(s.Rate.Max))
	label := fmt.Sprintf("%s  ·  p99 %.1f ms", group(s.Rate.Median), s.P99.Median)
	if s.Ratio > 0 && s.Name != "ceiling" {
		label = fmt.Sprintf("%s  ·  %.2f of ceiling  ·  p99 %.1f ms", group(s.Rate.Median), s.Ratio, s.P99.Median)
	}
	text(int(at(max(s.Rate.Max, s.Rate.Median)))+8, base, "n small", "start", "%s", label)
}

// fastest is the highest rate in the report.
func (r *Report) fastest() float64 {
	most := 1.0
	for i := range r.Cases {
		for j := range r.Cases[i].Servers {
			most = max(most, r.Cases[i].Servers[j].Rate.Max)
		}
	}
	return most
}
