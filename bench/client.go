package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// A client is an HTTP/1.1 connection that costs little, so that a machine can hold
// thousands beside the server: no buffer while it waits, and bodies that nobody wants
// to see are thrown away in the kernel.
type client struct {
	host string
	gzip bool
	nc   *net.TCPConn
	raw  syscall.RawConn
	out  []byte // scratch: the request
}

// A response is what a get brought.
type response struct {
	status int
	size   int       // of the body, in bytes
	first  time.Time // when its first byte was there
	body   []byte    // if asked for
}

// headBuffer is more than any answer's head, and little of a body.
const headBuffer = 1 << 10

var headBuffers = sync.Pool{New: func() any { return new([headBuffer]byte) }}

var sources atomic.Uint32

// dialHTTP connects to host. The connections come from several loopback addresses, as
// one has ports for 28,000 of them only.
func dialHTTP(host string, gzip bool) (*client, error) {
	d := net.Dialer{
		Timeout:   10 * time.Second,
		LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+sources.Add(1)%16))},
	}
	nc, err := d.Dial("tcp", host)
	if err != nil {
		return nil, err
	}
	c := &client{host: host, gzip: gzip, nc: nc.(*net.TCPConn)}
	_ = c.nc.SetLinger(0) // no connection is left waiting when the bench is done with it
	if c.raw, err = c.nc.SyscallConn(); err != nil {
		nc.Close()
		return nil, err
	}
	return c, nil
}

func (c *client) close() { c.nc.Close() }

// get asks for target and reads the answer; keep says whether its body is wanted.
func (c *client) get(target string, keep bool) (response, error) {
	c.out = append(c.out[:0], "GET "...)
	c.out = append(c.out, target...)
	c.out = append(c.out, " HTTP/1.1\r\nHost: "...)
	c.out = append(c.out, c.host...)
	c.out = append(c.out, "\r\nUser-Agent: headrace-bench\r\nAccept: */*\r\n"...)
	if c.gzip {
		c.out = append(c.out, "Accept-Encoding: gzip\r\n"...)
	}
	c.out = append(c.out, "\r\n"...)
	if _, err := c.nc.Write(c.out); err != nil {
		return response{}, err
	}
	return c.read(keep)
}

func (c *client) read(keep bool) (response, error) {
	buf, n, err := c.await()
	if err != nil {
		return response{}, err
	}
	defer headBuffers.Put(buf)
	r := response{first: time.Now()}
	end := bytes.Index(buf[:n], []byte("\r\n\r\n"))
	for end < 0 {
		if n == len(buf) {
			return r, errors.New("the head of the answer is too long")
		}
		more, err := c.receive(buf[n:], 0)
		if err != nil {
			return r, err
		}
		n += more
		end = bytes.Index(buf[:n], []byte("\r\n\r\n"))
	}
	if err := r.parse(buf[:end+2]); err != nil {
		return r, err
	}
	rest := buf[end+4 : n]
	if keep {
		r.body = make([]byte, r.size)
		for got := copy(r.body, rest); got < r.size; {
			more, err := c.receive(r.body[got:], 0)
			if err != nil {
				return r, err
			}
			got += more
		}
		return r, nil
	}
	return r, c.discard(r.size - len(rest))
}

// parse reads the status and the length from the lines of an answer's head.
func (r *response) parse(head []byte) error {
	line, fields, _ := bytes.Cut(head, []byte("\r\n"))
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return fmt.Errorf("no answer: %q", line)
	}
	r.status, _ = strconv.Atoi(string(line[9:12]))
	_, value, ok := bytes.Cut(fields, []byte("Content-Length: "))
	if !ok {
		return errors.New("an answer without Content-Length")
	}
	value, _, _ = bytes.Cut(value, []byte("\r\n"))
	var err error
	r.size, err = strconv.Atoi(string(value))
	return err
}

// await waits for the first bytes of an answer and takes a buffer only when there are some.
func (c *client) await() (buf *[headBuffer]byte, n int, err error) {
	waitErr := c.raw.Read(func(fd uintptr) bool {
		b := headBuffers.Get().(*[headBuffer]byte)
		n, err = recv(fd, b[:], 0)
		if err == syscall.EAGAIN {
			headBuffers.Put(b)
			return false
		}
		buf = b
		return true
	})
	return buf, n, firstOf(waitErr, err)
}

func (c *client) receive(p []byte, flags int) (n int, err error) {
	waitErr := c.raw.Read(func(fd uintptr) bool {
		n, err = recv(fd, p, flags)
		return err != syscall.EAGAIN
	})
	return n, firstOf(waitErr, err)
}

// scrap is where discarded bytes would go; the kernel does not write them (tcp(7), MSG_TRUNC).
var scrap [1 << 20]byte

func (c *client) discard(n int) error {
	for n > 0 {
		got, err := c.receive(scrap[:min(n, len(scrap))], syscall.MSG_TRUNC)
		if err != nil {
			return err
		}
		n -= got
	}
	return nil
}

func recv(fd uintptr, p []byte, flags int) (int, error) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), uintptr(flags), 0, 0)
	switch {
	case errno != 0:
		return 0, errno
	case n == 0:
		return 0, io.EOF
	}
	return int(n), nil
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
