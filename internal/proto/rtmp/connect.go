package rtmp

// What we take of Enhanced RTMP, as said in the answer to connect ("Enhancing
// NetConnection connect Command").
const (
	canForward = 4 // FourCcInfoMask: we carry the codec, and neither decode nor encode it

	capsMultitrack = 2
	capsModEx      = 4
	capsNano       = 8
)

var (
	videoFourCCs = []coding{fourCCAVC, fourCCHEVC, fourCCAV1}
	audioFourCCs = []coding{fourCCAAC, fourCCOpus}
)

// serverVersion is what Adobe's server 3.0.1 answers; clients look for its shape.
const serverVersion = "FMS/3,0,1,123"

// connectAnswer returns all that a connect command is answered with.
func connectAnswer(c command) []message {
	properties := Object{{"fmsVer", serverVersion}, {"capabilities", 31.0}}
	info := append(statusInfo("status", "NetConnection.Connect.Success", "Connection succeeded."), Property{"objectEncoding", 0.0})
	info = append(info, enhancedAnswer(c.object(0))...)
	return []message{
		windowAckSize(defaultAckWindow),
		setPeerBandwidth(defaultAckWindow, dynamicLimit),
		setChunkSize(ourChunkSize),
		userEvent(streamBegin, 0),
		command{"_result", c.transaction, []any{properties, info}}.message(chunkStreamCommand, 0),
	}
}

// enhancedAnswer returns our own capabilities under the names that the client has
// used for its own: nobody else gets any.
func enhancedAnswer(connect Object) (info Object) {
	if connect.Get("fourCcList") != nil {
		var list []any
		for _, c := range append(videoFourCCs[:len(videoFourCCs):len(videoFourCCs)], audioFourCCs...) {
			list = append(list, c.String())
		}
		info = append(info, Property{"fourCcList", list})
	}
	if connect.Get("videoFourCcInfoMap") != nil {
		info = append(info, Property{"videoFourCcInfoMap", forwarded(videoFourCCs)})
	}
	if connect.Get("audioFourCcInfoMap") != nil {
		info = append(info, Property{"audioFourCcInfoMap", forwarded(audioFourCCs)})
	}
	if connect.Get("capsEx") != nil {
		info = append(info, Property{"capsEx", float64(capsMultitrack | capsModEx | capsNano)})
	}
	return info
}

func forwarded(codings []coding) (all Object) {
	for _, c := range codings {
		all = append(all, Property{c.String(), float64(canForward)})
	}
	return all
}

// statusInfo returns the information object of onStatus and of answers (RTMP 1.0, 7.2.2).
func statusInfo(level, code, description string) Object {
	return Object{{"level", level}, {"code", code}, {"description", description}}
}

// onStatus tells a stream's peer what has become of it. Its transaction is 0.
func onStatus(stream uint32, level, code, description string) message {
	c := command{"onStatus", 0, []any{nil, append(statusInfo(level, code, description), Property{"clientid", "1"})}}
	return c.message(chunkStreamStatus, stream)
}
