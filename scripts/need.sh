#!/bin/sh
# need.sh THING... installs what is missing of: ffmpeg chromium gstreamer race npm.
# Root on Debian gets it by apt-get; anybody else is told what to install.
set -eu

packages() {
	case $1 in
	ffmpeg) echo ffmpeg fonts-dejavu-core ;;
	chromium) echo chromium ;;
	gstreamer) echo gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good \
		gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav ;;
	race) echo gcc libc6-dev ;; # go test -race links C
	npm) echo npm ;;
	*) echo "need.sh: what is $1?" >&2 && exit 2 ;;
	esac
}

program() { command -v "$1" >/dev/null; }
element() { program gst-inspect-1.0 && gst-inspect-1.0 --exists "$1" >/dev/null 2>&1; }

# have tells whether what a package is needed for is there, wherever it came from.
have() {
	case $1 in
	ffmpeg) program ffmpeg && program ffprobe ;;
	fonts-dejavu-core) [ -n "$(find /usr/share/fonts -name DejaVuSansMono.ttf 2>/dev/null | head -n 1)" ] ;;
	gstreamer1.0-tools) program gst-launch-1.0 && program gst-inspect-1.0 ;;
	gstreamer1.0-plugins-base) element videotestsrc ;;
	gstreamer1.0-plugins-good) element flvmux ;;
	gstreamer1.0-plugins-bad) element rtmp2sink ;;
	gstreamer1.0-plugins-ugly) element x264enc ;;
	gstreamer1.0-libav) element avdec_h264 ;;
	libc6-dev) [ -e /usr/include/stdlib.h ] ;;
	*) program "$1" ;; # named like its program
	esac
}

missing=
for thing in "$@"; do
	list=$(packages "$thing")
	for package in $list; do
		have "$package" || missing="$missing $package"
	done
done
[ -n "$missing" ] || exit 0

if ! program apt-get; then
	echo "Please install what these Debian packages hold:$missing" >&2
	exit 1
fi
if [ "$(id -u)" != 0 ]; then
	echo "Please install: sudo apt-get install --no-install-recommends$missing" >&2
	exit 1
fi
echo "Installing:$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086 # a list of words
apt-get install -qq -y --no-install-recommends $missing
