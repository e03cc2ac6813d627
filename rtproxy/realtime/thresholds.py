"""Where a number becomes a finding. All in milliseconds; each says where it comes from."""

SLOW_TURN_MS = 2_000.0
"""Voice to voice. Silences in talk rarely exceed one second before somebody repairs them
(Jefferson 1989, "a standard maximum silence"); callers grant a machine about twice that."""

NO_REPLY_MS = 5_000.0
"""How long a turn waits before it counts as unanswered. The slowest turns of a healthy session
take about half of that; callers have asked "hello?" by then."""

NO_SPEECH_MS = 15_000.0
"""Audio without any speech before somebody should look at the microphone."""

ENDLESS_SPEECH_MS = 30_000.0
"""Speech without an end before somebody should listen to it: people draw breath every few seconds,
which takes about as long as the silence that turn detection waits for."""

STREAM_MS = 10_000.0
"""So long a microphone streams before its pace is judged: delays of networks weigh a hundredth."""

PACE_SLACK = 0.02
"""How far, as a share, the pace of a stream may be from that of a format to be taken for it."""

NO_ANSWER_MS = 5_000.0
"""How long a session.update may stay unanswered; the live service takes about 65 ms."""

RESUMED_MS = 1_000.0
"""Speech that goes on so soon after its end was never over: pauses within a turn are mostly
shorter (Heldner & Edlund 2010, Journal of Phonetics 38)."""

HEARD_LITTLE_MS = 300.0
"""An answer of which no more than this was heard did not cause anybody to interrupt it: it takes
200 to 300 ms to react to speech (Levinson & Torreira 2015, Frontiers in Psychology 6)."""

DESYNC_MS = 400.0
"""How far the heard audio and what the server is told may differ: one word, at 150 a minute."""

TRUNCATE_WAIT_MS = 2_000.0
"""How long after an interruption a client may truncate before it counts as forgotten."""

SHORT_SPEECH_MS = 250.0
"""Speech shorter than this is a noise unless somebody understood a word: the shortest answers
("yes", "mm-hm") last about as long."""

ECHO_WORDS = 2
"""So many words in a row that the assistant had just said make an echo of it."""

CHOPPY_MS = 200.0
"""What a client's jitter buffer can hide. WebRTC's NetEq and players of voice agents hold back
20 to 200 ms."""

LATE_TRANSCRIPT_MS = 3_000.0
"""From the commit to the caller's transcript; the live service takes about 700 ms."""

NO_TRANSCRIPT_MS = 10_000.0
"""After this long a transcript is not late any more but missing."""
