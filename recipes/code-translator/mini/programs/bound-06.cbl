       ID DIVISION.
       PROGRAM-ID. STONES.
       DATA DIVISION.
       WORKING-STORAGE SECTION.
       01 N PIC 9(3).
       01 R PIC 9(3).
       PROCEDURE DIVISION.
           ACCEPT N.
           MOVE N TO R.
           IF R > 6 MOVE 6 TO R END-IF.
           DISPLAY R.
           GOBACK.
