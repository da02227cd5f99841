# Verdicts that are kept back: the call has ended, what it sent is not delivered yet.
#
# LOSS: until settle() the slot stays EXECUTING: nothing counts as committed behind it, and when this process dies
# it is executed again. Its call had ended, so nothing that happens to the process is its doing. Other messages are
# executed meanwhile; a suspect still has its process for itself.


cdef bint is_kept(HandlerSide side, uint32_t f, uint32_t slot, Slot *s, uint32_t code):
    """Keep back the verdict of a call that sent something; one that failed anyway need not wait."""
    cdef Claim c
    sent, side.sent = side.sent, None
    if code != V_DONE and code != V_SKIP and code != V_CHANNEL:
        return False
    c = Claim.__new__(Claim)
    c.side, c.feeder, c.slot, c.word = side, f, slot, load_relaxed_64(&s.word)
    c.attempt, c.suspect, c.sent, c.code = s.attempt, side.alone, sent, code
    side.suspect_inside = side.suspect_inside or side.alone
    s.flags |= FLAG_KEPT
    side.kept_count += 1
    side.hs.kept = side.kept_count
    side.kept_claims.append(c)
    return True


cdef int let_go(HandlerSide side, Claim claim, int verdict, bytes detail) except -1:
    """Leave the verdict that was kept back, or another one."""
    if side.disowned_:
        _exit(0)
    if claim.side is not side or claim.sent is None:
        raise ValueError("the verdict of this claim is not kept back here")
    if verdict:
        check_verdict(verdict)
        claim.code = verdict
        side.write_detail(claim.feeder, claim.slot, detail)
    claim.side = None
    side.ring.slots(claim.feeder)[claim.slot].flags &= ~<uint16_t>FLAG_KEPT
    side.leave_verdict(claim.feeder, claim.slot, word_seq(claim.word), claim.code)
    side.kept_count -= 1
    side.hs.kept = side.kept_count
    side.hs.executing = side.kept_count
    if claim.suspect:
        side.suspect_inside = False
    count_verdict(side.hs, claim.code)
    side.nudge(claim.feeder)
    return 0
