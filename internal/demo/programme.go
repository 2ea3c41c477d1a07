package demo

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// The clock strip: square cells in one row at the top left of the picture. Cell 0 is
// white and cell 1 black, so that a reader finds its threshold; then come the bits,
// most significant first and white for 1, of the wall clock's milliseconds since the
// Unix epoch, modulo 2^32, when the frame was made.
const (
	stripBits  = 32
	stripCells = 2 + stripBits
)

// cellSide returns the side of a cell, in pixels, in a picture of that width: even, so
// that chroma subsampling does not blur its edges.
func cellSide(width int) int { return width / 40 / 2 * 2 }

// keyframeSeconds is what the large platforms ask for, and the default segment.
const keyframeSeconds = 2

// fonts is where the clock's typeface may be: Debian, Fedora, Arch.
var fonts = []string{
	"/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf",
	"/usr/share/fonts/dejavu-sans-mono-fonts/DejaVuSansMono.ttf",
	"/usr/share/fonts/TTF/DejaVuSansMono.ttf",
}

// findFont returns the path of a typeface, empty if there is none.
func findFont() string {
	for _, f := range fonts {
		if _, err := os.Stat(f); err == nil {
			return f
		}
	}
	return ""
}

// arguments returns ffmpeg's command line. No secret is on it, as any user of the
// machine can read it: the programme leaves as FLV through standard output.
func arguments(width, height, rate int, font string) []string {
	return []string{
		"-hide_banner", "-loglevel", "warning", "-nostats", "-nostdin",
		"-re", "-f", "lavfi", "-i", picture(width, height, rate),
		"-re", "-f", "lavfi", "-i", tone,
		"-vf", clock(width, rate, font),
		"-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency", "-profile:v", "main", "-pix_fmt", "yuv420p",
		"-g", strconv.Itoa(keyframeSeconds * rate), "-keyint_min", strconv.Itoa(keyframeSeconds * rate),
		"-sc_threshold", "0", "-bf", "0",
		"-b:v", "2500k", "-maxrate", "2500k", "-bufsize", "2500k",
		"-c:a", "aac", "-ar", "48000", "-ac", "2", "-b:a", "128k",
		"-f", "flv", "-flvflags", "no_duration_filesize", "-flush_packets", "1", "pipe:1",
	}
}

// picture is a slowly turning gradient under a grid. It is made small and scaled up,
// which costs a fifth of making it large.
func picture(width, height, rate int) string {
	return fmt.Sprintf("gradients=size=320x180:rate=%d:nb_colors=4:c0=0x0b1d3a:c1=0x1b6a7a:c2=0x5a3f86:c3=0xb0533f"+
		":x0=0:y0=0:x1=320:y1=180:speed=0.008,scale=%d:%d:flags=bilinear,format=yuv420p,"+
		"drawgrid=w=iw/16:h=iw/16:t=2:color=white@0.12", rate, width, height)
}

// tone is a beep of 1 kHz and a tenth of a second, each second, that swells and fades.
const tone = "aevalsrc=exprs=0.15*sin(2000*PI*t)*pow(sin(PI*min(mod(t\\,1)*10\\,1))\\,2):sample_rate=48000"

// clock returns the filters that draw the clock and the strip. They run after -re has
// paced the frame, so that the time they show is the time at which it leaves. For their
// sake a frame's timestamp is the wall clock while they run; then it counts frames again.
func clock(width, rate int, font string) string {
	filters := []string{"settb=AVTB", "setpts=RTCTIME/(TB*1000000)"}
	if font != "" {
		filters = append(filters, "drawtext=fontfile="+font+":fontcolor=white:fontsize=h/9:x=(w-tw)/2:y=(h-th)/2:"+
			`text='%{pts\:gmtime\:0\:%H\\\:%M\\\:%S}.%{eif\:mod(floor(t*1000)\,1000)\:d\:3} UTC'`)
	}
	side := cellSide(width)
	box := func(cell, cells int, color, more string) string {
		return fmt.Sprintf("drawbox=x=%d:y=0:w=%d:h=%d:color=%s:t=fill%s", cell*side, cells*side, side, color, more)
	}
	filters = append(filters, box(0, stripCells, "black", ""), box(0, 1, "white", ""))
	for i := range stripBits {
		on := fmt.Sprintf(`:enable='gte(mod(floor(t*1000)/pow(2\,%d)\,2)\,1)'`, stripBits-1-i)
		filters = append(filters, box(2+i, 1, "white", on))
	}
	filters = append(filters, fmt.Sprintf("setpts=N/(%d*TB)", rate))
	return strings.Join(filters, ",")
}
